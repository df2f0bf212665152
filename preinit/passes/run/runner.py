"""Running a guest up to the end of its initializer: which way to compile it, and another one where that fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...binary.growth import Bounds, counts_together
from ...binary.module import Module
from ...binary.opcodes import MEMORY_GROW
from ...binary.sections import ExternKind
from ...engine.bounds import bounds
from ...engine.guest import Instance, Instrumented
from ...engine.profile import Profile
from ...engine.runtime import Deadline, EngineSettings
from ...engine.values import Unsuited
from ...errors import UnsupportedProposal, quoted
from ...options import Host, Options
from ..observer import Stopwatch
from ..plan.initializers import Call, numeric_results
from .calls import Caller
from .profiles import ProfileStore
from .strategies import Kept, Way, ways

if TYPE_CHECKING:
    from ...engine.ondemand.instance import OnDemandGuest
    from ...engine.whole import CompiledGuest
    from ...host import Clock, World
    from ...result import EngineFacts, HostFacts, RunFacts
    from ..snapshot import Snapshot


class Job(NamedTuple):
    """What is to be run: `calls` after the start function. `preloads`: modules that it imports from, parsed, and what
    to compile of each. `goes_on`: it is run again, and further than that: code is kept, and can be stopped. `resumes`:
    the module is an output.
    """

    module: Module
    calls: tuple[Call, ...]
    options: Options
    preloads: Mapping[str, Module]
    beside: Mapping[str, bytes]
    deadline: Deadline
    goes_on: bool = False
    resumes: bool = False

    @property
    def interruptible(self) -> bool:
        """Whether the guest must be stopped when time is over: otherwise the process ends."""
        return self.goes_on or _interruptible(self.options)

    @property
    def shares_memory(self) -> bool:
        """Whether several instances hold one shared memory: the host's, or a preloaded module's."""
        modules = (self.module, *self.preloads.values())
        return any(entry.memory and entry.memory.shared for module in modules for entry in module.imports)

    @property
    def bounds(self) -> Bounds:
        """What all memories and tables may have together."""
        return bounds(self.module, self.preloads, self.options.max_memory)

    @property
    def compiled_limit(self) -> int | None:
        """Bytes of memory that compiled code compares with; None where the engine alone does."""
        return self.bounds.memory if counts_together(self.module, MEMORY_GROW, self.bounds) else None


def _interruptible(options: Options) -> bool:
    return options.timeout is not None and not options.process_ends


class Paused(NamedTuple):
    """A guest after its initializer. The snapshot's memories are views of the instance. `returned`: raw results.

    `guest`: the compiled code, of which `instrumented` tells where things are.
    """

    instance: Instance
    snapshot: Snapshot
    runs: tuple[RunFacts, ...]
    returned: tuple[list[bytes], ...]
    world: World
    host: HostFacts
    engine: EngineFacts
    profile: Profile | None
    guest: CompiledGuest | OnDemandGuest
    instrumented: Instrumented


def keeping(module: Module, options: Options) -> Kept[CompiledGuest | OnDemandGuest]:
    """Where builds of that module keep what they compile. Those whose options say how to compile must have the same."""
    store = ProfileStore(module, options, _interruptible(options))
    return Kept(store.read, store.write)


def run_guest(
    job: Job, watch: Stopwatch, meanwhile: Callable[[], object], kept: Kept[CompiledGuest | OnDemandGuest] | None = None
) -> Paused:
    """Compiles the guest, runs it in a fresh instance, and captures what it left. Close its `world` afterwards.

    `meanwhile` is called while the engine compiles. `kept`: where to keep what is compiled, and to look for it.
    Raises what compiling and running raise.
    """
    with watch("choose"):
        store = ProfileStore(job.module, job.options, job.interruptible)
        rest = kept.ways(job.module, job.options) if kept else ways(job.module, job.options, store.read)
        way = next(rest)
    watch.note(f"compiled code is kept in {store.folder}" if store.keeps else "compiled code is not kept")
    watch.note(str(way))
    shown = 0
    learnt: Profile | None = None
    while True:
        world = _world(job, shown)
        try:
            paused = _attempt(job, way, world, store, watch, meanwhile, kept)
            with watch("profile"):
                if kept:
                    kept.learn(way, job.compiled_limit, paused.guest, paused.profile)
                if learnt or not kept:
                    store.write(learnt or paused.profile)
            return paused._replace(engine=dataclasses.replace(paused.engine, not_kept=store.problem))
        except Unsuited as problem:
            # Nothing of that run is left but what it printed: the next one prints the same, and what comes after it.
            watch.compiled = None
            problem.with_traceback(None).__cause__ = problem.__context__ = None  # they hold the instance
            shown = max(shown, world.printed)
            world.close(goes_on=True)
            known = way.profile and way.profile.chunks
            way = next(w for w in rest if w.engine == "whole" or w.compiler == problem.compiler)
            if way.engine == "whole":
                way = way._replace(reason=str(problem))
            if kept and problem.lasting:
                kept.give_up(job.options, way)
            if way.engine == "whole" and problem.lasting and not known:
                learnt = Profile("", str(problem))  # where something is known, another run was fine on demand
            watch.note(f"starting again, {way}")
        except BaseException:
            world.close()
            raise


def run_again(job: Job, first: Paused, host: Host, clock: Clock) -> Paused:
    """Runs the initializer in a fresh instance and in another world. Close its `world` and its `instance` afterwards.

    Raises what running raises.
    """
    job = job._replace(options=dataclasses.replace(job.options, host=host))
    guest = first.guest.knowing(first.profile)
    way = Way(first.engine.name, first.engine.compiler, first.engine.reason)
    world = _world(job, 0)
    world.set_clock(clock)
    try:
        return job.deadline.start(lambda: _run(job, way, guest, first.instrumented, world, Stopwatch())).result()
    except Unsuited:  # it does what the first run did not do
        world.close()
    except BaseException:
        world.close()
        raise
    return run_whole(job, clock)


def run_whole(job: Job, clock: Clock | None = None) -> Paused:
    """The same, compiled as a whole: for a guest that turned out not to be suited for another way."""
    world = _world(job, 0)
    if clock:
        world.set_clock(clock)
    try:
        store = ProfileStore(job.module, job.options, job.interruptible)
        return _attempt(job, Way("whole", job.options.compiler, ""), world, store, Stopwatch(), lambda: None)
    except BaseException:
        world.close()
        raise


def _world(job: Job, shown: int) -> World:
    from ...host import World

    options = job.options
    values = dict(options.import_globals)
    fresh = options.imports == "keep"
    given = (values, job.preloads, fresh, shown, options.stubs, job.resumes)
    world = World(job.module, options.host, job.deadline, *given)
    if not options.digest_files:
        world.leave_out_digests()
    return world


def _attempt(
    job: Job,
    way: Way,
    world: World,
    store: ProfileStore,
    watch: Stopwatch,
    meanwhile: Callable[[], object],
    kept: Kept[CompiledGuest | OnDemandGuest] | None = None,
) -> Paused:
    def compile_it() -> tuple[CompiledGuest | OnDemandGuest, Instrumented]:
        return _compile(job, way, store, watch, meanwhile, job.options.audit or job.goes_on or kept is not None)

    guest, instrumented = kept.obtain(job.deadline, way, job.compiled_limit, compile_it) if kept else compile_it()
    return job.deadline.start(lambda: _run(job, way, guest, instrumented, world, watch)).result()


def _compile(
    job: Job, way: Way, store: ProfileStore, watch: Stopwatch, meanwhile: Callable[[], object], again: bool
) -> tuple[CompiledGuest | OnDemandGuest, Instrumented]:
    """The guest, compiled in that way. `again`: it will run more than once."""
    deadline = job.deadline
    settings = EngineSettings(way.compiler, None, job.interruptible, job.shares_memory)
    guest: CompiledGuest | OnDemandGuest
    if way.engine == "whole":
        from ...engine.whole import compile_guest
        from ..instrument import instrument

        with watch("instrument"):
            code, instrumented = deadline.start(lambda: instrument(job.module, job.bounds)).result()
        deadline.check_time()
        with watch("compile"):
            cached = settings._replace(cache=store.engine_configuration())
            pending = deadline.start(lambda: compile_guest(code, cached, job.beside))
            meanwhile()  # the engine compiles outside of Python's lock
            guest = pending.result()
        _check_watched(guest)
    else:
        from ...engine.ondemand.instance import OnDemandGuest
        from ...engine.ondemand.prepared import prepare
        from ..instrument import instrument_state

        with watch("instrument"):
            state, instrumented = deadline.start(lambda: instrument_state(job.module, job.bounds)).result()
        deadline.check_time()
        with watch("compile"):
            keeps = store.keeps or again  # what runs again needs not be compiled again
            preparing = deadline.start(lambda: prepare(state, settings, job.beside, keeps, way.profile))
            meanwhile()
            guest = OnDemandGuest(preparing.result())
    return guest, instrumented


def _check_watched(compiled: CompiledGuest) -> None:
    """Refuses a valid module where growth can't be watched. Raises `UnsupportedProposal`."""
    offset = compiled.code.unknown_instruction
    if offset is not None:
        raise UnsupportedProposal(
            "an instruction is not known, and a memory may grow behind it without being watched",
            where=f"byte offset {offset:#x}",
        )


def _run(
    job: Job,
    way: Way,
    guest: CompiledGuest | OnDemandGuest,
    instrumented: Instrumented,
    world: World,
    watch: Stopwatch,
) -> Paused:
    """Runs the start function and the initializers in a fresh instance, and captures what they left."""
    with watch("instantiate"):
        instance = guest.instantiate(job.options.max_memory, world.link, world.deadline)
    try:
        return _call(job, way, guest, instance, instrumented, world, watch)
    except BaseException:
        instance.close()  # the next run may need as much memory, and whoever keeps the error must not keep this
        raise


def _call(
    job: Job,
    way: Way,
    guest: CompiledGuest | OnDemandGuest,
    instance: Instance,
    instrumented: Instrumented,
    world: World,
    watch: Stopwatch,
) -> Paused:
    from ...result import EngineFacts, RunFacts
    from ..capture import capture, observe_references

    module = job.module
    memory = None
    with watch("instantiate"):
        exported = module.exported("memory")
        if exported and exported.kind == ExternKind.MEMORY:
            name = memory = instrumented.memories[exported.target]
            world.bind(lambda: instance.memory(name))
    if way.engine == "ondemand":
        watch.compiled = instance.compiled
    with watch("capture"):
        before = observe_references(module, instrumented, instance)
    runs: list[RunFacts] = []
    returned: list[list[bytes]] = []
    if instrumented.start:
        with watch("run", "start function"):
            instance.call(instrumented.start, (), 0)
        runs.append(RunFacts("start function", (), (), watch.last))
    perform = Caller(instance, memory)
    for call in job.calls:
        with watch("run", quoted(call.name)):
            results = perform(call)
        returned.append(results)
        runs.append(RunFacts(call.name, call.arguments, numeric_results(call, results), watch.last))
    with watch("capture"):
        snapshot = capture(module, instrumented, instance, before, job.options.imports)
        host = world.settle(instance.original_functions)
    compiled, reused = instance.compiled(), instance.reused()
    facts = EngineFacts(way.engine, guest.compiler, way.reason, len(module.bodies), *compiled, reused)
    watch.note(
        f"{guest.compiler}: {compiled[0]:,} of {len(module.bodies):,} functions compiled, {compiled[1]:,} bytes of code"
        + (f" in {compiled[2]:,} parts, {reused:,} of them from the cache" if way.engine == "ondemand" else "")
    )
    return Paused(
        instance, snapshot, tuple(runs), tuple(returned), world, host, facts, instance.profile(), guest, instrumented
    )
