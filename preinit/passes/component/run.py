"""Running a component up to the end of its last initializer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ...binary.growth import Bounds
from ...engine.code import CodeCache
from ...engine.component.compiled import (
    LinkedCode,
    LinkedModule,
    UnsuitedModule,
    compile_linked,
    compile_on_demand,
)
from ...engine.component.linked import Linked
from ...engine.component.machine import Machine
from ...engine.component.scope import Scope
from ...engine.guest import GuestCode, StateCode
from ...engine.profile import Profile
from ...engine.runtime import TABLE_ELEMENTS, Deadline, EngineSettings, Pending
from ...engine.values import Unsuited
from ...errors import InitializerRefused, PreinitError, TimeLimit, UnsupportedProposal, quoted
from ...errors.reason import Reason
from ...files.cache import Examined, examined_of
from ...host.wasi1.process import Clock
from ...host.wasi2 import ComponentWorld
from ...options import Options
from ...options.accepted import watched
from ...tuples import NamedTuple
from ..instrument import Instrumented, instrument, instrument_state
from ..observer import Observer
from ..plan.job import interruptible
from ..run.profiles import ProfileStore
from .choice import Way, choose_modules, compiler_for
from .plan import ComponentCall, ComponentPlan, find_function
from .seen import Seen
from .source import ComponentSource, CorePart, placed, starts_with
from .stores import Stores
from .tables import Watched
from .wave import value_digest, value_text

if TYPE_CHECKING:
    from ...result import EngineFacts, HostFacts, RunFacts


class Compiled(NamedTuple):
    """`instrumented`: where things are in the copies that run, by where each module begins. `profiles`: what is kept of
    modules that are compiled on demand. `reason`: why it is compiled in this way."""

    code: LinkedCode
    instrumented: dict[int, Instrumented]
    cache: CodeCache | None
    not_kept: str
    profiles: Mapping[int, ProfileStore]
    reason: Reason


#: Gives what a component is compiled to in some way: by calling what compiles it, or as it is known.
Once = Callable[[Way, Callable[[], Compiled]], Compiled]


class PausedComponent(NamedTuple):
    """A component in which nothing runs any more: `with run_component(...) as paused:` frees it.

    `returned`: a fingerprint of what each call returned.
    """

    cores: Linked
    machine: Machine
    scope: Scope
    instrumented: dict[int, Instrumented]
    watched: Watched
    world: ComponentWorld
    runs: tuple[RunFacts, ...]
    host: HostFacts
    engine: EngineFacts
    process_ends: bool
    returned: tuple[str, ...]

    def __enter__(self) -> PausedComponent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.close()
        if problem is None and self.process_ends:
            return  # freeing memory takes time
        # After a time limit or an interrupt, a thread may still be reading the guest's memories.
        if problem is None or (isinstance(problem, PreinitError) and not isinstance(problem, TimeLimit)):
            self.cores.close()


def compile_component(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    stores: Stores,
    way: Way,
) -> Compiled:
    """Instruments and compiles the core modules of which there are instances.

    Raises `Unsuited` where a module can't be compiled on demand, though it seemed so.
    """
    known: dict[int, Profile] = {}

    def read(start: int) -> Profile | None:
        profile = stores.read(start)
        if profile:
            known[start] = profile
        return profile

    chosen, reason = deadline.start(partial(choose_modules, source, plan, options, way, read)).result()
    modules: list[LinkedModule] = []
    instrumented: dict[int, Instrumented] = {}
    size, elements = starts_with(source, plan.instances)

    def instrument_all() -> None:
        for start in dict.fromkeys(plan.instances):
            deadline.check_time()
            part = source.parts[start]
            own = starts_with(source, [start])
            limits = Bounds(options.max_memory, TABLE_ELEMENTS, size - own[0], elements - own[1])
            code, where = _instrumented(part, limits, start in chosen)
            modules.append(LinkedModule(code, where.start, start, part.number))
            instrumented[start] = where

    with observer.stage("instrument"):
        deadline.start(instrument_all).result()
    found = examined_of(options.cache_dir) if options.cache else Examined(None)
    cache = CodeCache(found.folder) if found.folder else None
    settings = EngineSettings(way.compiler, None, interruptible(options))
    profiles = {start: stores[start] for start in chosen}
    with observer.stage("compile"):
        if not chosen:
            compile_all = partial(compile_linked, modules, settings, cache, deadline.check_time, placed)
        else:
            compiler = compiler_for((module.code.original for module in modules), way.compiler)
            settings = settings._replace(compiler=compiler)
            compile_all = partial(compile_on_demand, modules, settings, cache, deadline.check_time, known)
        with _running(cache, profiles):
            linked = deadline.start(compile_all).result()
    return Compiled(linked, instrumented, cache, found.problem, profiles, reason)


@contextmanager
def _running(cache: CodeCache | None, profiles: Mapping[int, ProfileStore]) -> Iterator[None]:
    """While code runs that may come from the cache."""
    with ExitStack() as stack:
        if cache:
            stack.enter_context(cache.running())
        for store in profiles.values():
            stack.enter_context(store.running())
        yield


def _instrumented(part: CorePart, limits: Bounds, state_only: bool) -> tuple[GuestCode | StateCode, Instrumented]:
    try:
        if state_only:
            return instrument_state(part.module, limits)
        code, where = instrument(part.module, limits)
        if code.unknown_instruction is not None:
            raise UnsupportedProposal(
                "an instruction is not known, and a memory may grow after it without being watched",
                where=f"byte offset {code.unknown_instruction:#x}",
            )
        return code, where
    except PreinitError as problem:
        raise placed(problem, part.number, part.start) from None


def run_component(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    once: Once,
    clock: Clock | None = None,
    checks: Sequence[Pending[None]] = (),
    stores: Stores | None = None,
) -> PausedComponent:
    """Runs the component in fresh instances; again, compiled in another way, where a module turned out not to suit.

    `clock`: that of another world. `checks`: validations that go on beside it. `stores`: where something may have been
    read ahead. Raises what its functions raise, what the checks raise, `InitializerRefused`.
    """
    stores = stores or Stores(source, options)
    way = Way(options.compiler)
    printed = 0
    while True:
        given = (source, plan, options, deadline, observer)
        world: ComponentWorld | None = None
        try:
            compiled = once(way, partial(compile_component, *given, stores, way))
            observer.note(f"{compiled.code.compiler}: {compiled.reason.text}")
            world = ComponentWorld(options.host, deadline, watched(options.accept), options.digest_files, printed)
            if clock is not None:
                world.set_clock(clock)
            with _running(compiled.cache, compiled.profiles):
                paused = _result_beside(checks, deadline.start(partial(_run, *given, compiled, world)))
        except Unsuited as problem:
            # Nothing of that run is left but what it printed: the next one prints the same, and what comes after it.
            problem.with_traceback(None).__cause__ = problem.__context__ = None  # they hold the instances
            if isinstance(problem, UnsuitedModule) and problem.lasting and not problem.compiler:
                _tell_others(problem, stores)
            way = way.after(problem)
            if world is not None:
                printed = max(printed, world.printed)
                world.close()
            observer.note(f"starting again, in another way: {problem}")
        except BaseException:
            if world is not None:
                world.close()
            raise
        else:
            for start, guest in paused.cores.on_demand.items():
                compiled.profiles[start].write(guest.profile())
            return paused


def _tell_others(problem: UnsuitedModule, stores: Stores) -> None:
    """Notes for other builds that a module does not suit, unless one that ran on demand knows better."""
    if not stores.read(problem.start):
        stores[problem.start].write(Profile("", problem.reason))


def _result_beside(checks: Sequence[Pending[None]], running: Pending[PausedComponent]) -> PausedComponent:
    """What the run gives, unless a check fails: a guest of what is not valid may never end."""
    running.wait_beside(checks)
    try:
        return running.result()
    except TimeLimit:
        raise
    except PreinitError:
        with suppress(TimeLimit):  # then the guest's own problem is the cause
            for check in checks:
                check.result()  # what is not valid may be why
        raise


def _run(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    compiled: Compiled,
    world: ComponentWorld,
) -> PausedComponent:
    cores = Linked(compiled.code, options.max_memory, interruptible(options), deadline)
    try:
        cores.watcher = watcher = Watched(compiled.instrumented, cores.as_filled)
        world.calls.backtrace = cores.backtrace
        machine = Machine(cores, world)
        with observer.stage("instantiate"):
            scope = machine.run(source.component)
        called = [_call(scope, call, observer) for call in plan.calls]
        runs, returned = tuple(run for run, _ in called), tuple(digest for _, digest in called)
        with observer.stage("settle"):
            seen = Seen(source, cores)
            host = world.settle(seen.frames, seen.is_adapter)
        engine = _engine_facts(source, compiled, cores)
        given = (cores, machine, scope, compiled.instrumented, watcher, world, runs, host, engine)
        return PausedComponent(*given, options.process_ends, returned)
    except BaseException:
        cores.close()
        raise


def _call(scope: Scope, call: ComponentCall, observer: Observer) -> tuple[RunFacts, str]:
    from ...result import RunFacts

    function = find_function(scope, call.path)
    with observer.stage("run", quoted(call.name)):
        value: Any = function.call(*call.values)
    result = function.type.result
    said = value_text(result, value)
    if result is not None and result.kind == "result" and value[0] == "err":
        payload = said.removeprefix("err").removeprefix("(").removesuffix(")")
        raise InitializerRefused(
            f"the initializer {quoted(call.name)} returned an error{': ' if payload else ''}{payload[:_LONGEST]}"
        )
    facts = RunFacts(call.name, call.arguments, (), observer.last, value=said[:_LONGEST])
    return facts, value_digest(result, value)


#: Characters of a result that are shown.
_LONGEST = 2_000


def _engine_facts(source: ComponentSource, compiled: Compiled, cores: Linked) -> EngineFacts:
    from ...result import EngineFacts

    modules = {start: source.parts[start].module for start in compiled.instrumented}
    functions = sum(len(module.bodies) for module in modules.values())
    whole = [module for start, module in modules.items() if start in compiled.code.compiled]
    done = sum(len(module.bodies) for module in whole)
    size = sum(body.end - body.start for module in whole for body in module.bodies)
    parts, reused = len(whole), 0
    for guest in cores.on_demand.values():
        more = guest.compiled()
        done, size, parts, reused = done + more[0], size + more[1], parts + more[2], reused + guest.reused()
    cache = compiled.cache
    distrusted = [store.distrusted for store in compiled.profiles.values() if store.distrusted]
    return EngineFacts(
        "ondemand" if cores.on_demand else "whole",
        compiled.code.compiler,
        compiled.reason.text,
        functions,
        done,
        size,
        parts,
        reused,
        compiled.not_kept,
        distrusted[0] if distrusted else cache.distrusted if cache else "",
        compiled.reason.code,
    )
