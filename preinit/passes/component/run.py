"""Running a component up to the end of its last initializer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...binary.growth import Bounds
from ...engine.code import CodeCache
from ...engine.component.linked import Linked, LinkedCode, LinkedModule, compile_linked, compile_on_demand
from ...engine.component.machine import Machine
from ...engine.component.scope import Scope
from ...engine.guest import GuestCode, StateCode
from ...engine.ondemand.suitability import unsuitable, worthwhile
from ...engine.runtime import TABLE_ELEMENTS, Deadline, EngineSettings, has_winch
from ...engine.values import Unsuited
from ...errors import InitializerRefused, PreinitError, UnsupportedProposal, quoted
from ...errors.reason import Reason
from ...files.cache import examined_of
from ...host.wasi2 import ComponentWorld
from ...options import Options
from ...options.accepted import watched
from ..instrument import Instrumented, instrument, instrument_state
from ..observer import Observer
from ..plan.job import interruptible
from ..run.profiles import ProfileStore
from ..run.strategies import ASKED_FOR
from .plan import ComponentCall, ComponentPlan, find_function
from .seen import Seen
from .source import ComponentSource, CorePart, placed, starts_with
from .tables import Watched
from .wave import value_text

if TYPE_CHECKING:
    from ...result import EngineFacts, HostFacts, RunFacts


class Compiled(NamedTuple):
    """`instrumented`: where things are in the copies that run, by where each module begins. `profiles`: what is kept of
    the module that is compiled on demand; None where none is. `reason`: why it is compiled in this way."""

    code: LinkedCode
    instrumented: dict[int, Instrumented]
    cache: CodeCache | None
    not_kept: str
    profiles: ProfileStore | None
    reason: Reason


#: Gives what a component is compiled to, as a whole or not: by calling what compiles it, or as it is known.
Once = Callable[[bool, Callable[[], Compiled]], Compiled]


class PausedComponent(NamedTuple):
    """A component in which nothing runs any more: `with run_component(...) as paused:` frees it."""

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

    def __enter__(self) -> PausedComponent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.close()
        if not self.process_ends and (problem is None or isinstance(problem, PreinitError)):
            self.cores.close()


def _on_demand(source: ComponentSource, plan: ComponentPlan, options: Options) -> tuple[int | None, Reason]:
    """The module to compile on demand: the largest, if it has one instance and is suited; and why, or why not."""
    if options.engine == "whole":
        return None, ASKED_FOR
    if options.host.irreversible:
        return None, options.host.irreversible
    start = max(dict.fromkeys(plan.instances), key=lambda start: len(source.parts[start].module.data), default=None)
    if start is None:
        return None, Reason("no-core-modules", "it has no core module")
    module = source.parts[start].module
    if options.engine == "auto" and not worthwhile(module):
        return None, Reason("code-small", "its code is small")
    if plan.instances.count(start) > 1:
        return None, Reason("several-instances", "its largest core module has several instances")
    reason = unsuitable(module)
    if reason:
        return None, reason
    return start, ASKED_FOR if options.engine == "ondemand" else Reason("code-large", "its code is large")


def compile_component(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    whole: Reason | None = None,
) -> Compiled:
    """Instruments and compiles the core modules of which there are instances. `whole`: why nothing on demand.

    Raises `Unsuited` where a module can't be compiled on demand, though it seemed so.
    """
    chosen, reason = (None, whole) if whole else _on_demand(source, plan, options)
    modules: list[LinkedModule] = []
    instrumented: dict[int, Instrumented] = {}
    size, elements = starts_with(source, plan.instances)
    with observer.stage("instrument"):
        for start in dict.fromkeys(plan.instances):
            part = source.parts[start]
            own = starts_with(source, [start])
            limits = Bounds(options.max_memory, TABLE_ELEMENTS, size - own[0], elements - own[1])
            code, where = _instrumented(part, limits, start == chosen, deadline)
            modules.append(LinkedModule(code, where.start, start, part.number))
            instrumented[start] = where
    found = examined_of(options.cache_dir) if options.cache else ""
    cache = CodeCache(found) if isinstance(found, Path) else None
    settings = EngineSettings(options.compiler, None, interruptible(options))
    profiles = None
    with observer.stage("compile"):
        if chosen is None:
            compile_all = partial(compile_linked, modules, settings, cache, deadline.check_time)
        else:
            profiles = ProfileStore(source.parts[chosen].module, options, interruptible(options))
            settings = settings._replace(compiler=_compiler(modules, options))
            given = (settings, cache, deadline.check_time, profiles.read())
            compile_all = partial(compile_on_demand, modules, *given)
        with cache.running() if cache else nullcontext(), profiles.running() if profiles else nullcontext():
            linked = deadline.start(compile_all).result()
    return Compiled(linked, instrumented, cache, "" if cache else str(found), profiles, reason)


def _compiler(modules: Sequence[LinkedModule], options: Options) -> str:
    """The compiler for code on demand: the baseline compiler has no exceptions, and a module with tags uses them."""
    if options.compiler != "auto":
        return options.compiler
    return "winch" if has_winch() and not any(module.code.original.tags for module in modules) else "cranelift"


def _instrumented(
    part: CorePart, limits: Bounds, state_only: bool, deadline: Deadline
) -> tuple[GuestCode | StateCode, Instrumented]:
    try:
        if state_only:
            return deadline.start(partial(instrument_state, part.module, limits)).result()
        code, where = deadline.start(partial(instrument, part.module, limits)).result()
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
) -> PausedComponent:
    """Runs the component in fresh instances; again, compiled as a whole, where something on demand does not work.

    Raises what its functions raise, `InitializerRefused`.
    """
    whole: Reason | None = None
    printed = 0
    while True:
        given = (source, plan, options, deadline, observer)
        world: ComponentWorld | None = None
        try:
            compiled = once(whole is not None, partial(compile_component, *given, whole))
            observer.note(f"{compiled.code.compiler}: {compiled.reason.text}")
            world = ComponentWorld(options.host, deadline, watched(options.accept), options.digest_files, printed)
            cache, profiles = compiled.cache, compiled.profiles
            with cache.running() if cache else nullcontext(), profiles.running() if profiles else nullcontext():
                paused = deadline.start(partial(_run, *given, compiled, world)).result()
        except Unsuited as problem:
            # Nothing of that run is left but what it printed: the next one prints the same, and what comes after it.
            problem.with_traceback(None).__cause__ = problem.__context__ = None  # they hold the instances
            whole = problem.reason
            if world is not None:
                printed = max(printed, world.printed)
                world.close()
            observer.note(f"starting again, as a whole: {problem}")
        except BaseException:
            if world is not None:
                world.close()
            raise
        else:
            if compiled.profiles and paused.cores.on_demand:
                compiled.profiles.write(paused.cores.on_demand.profile())
            return paused


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
        runs = tuple(_call(scope, call, observer) for call in plan.calls)
        with observer.stage("settle"):
            seen = Seen(source, cores)
            host = world.settle(seen.frames, seen.is_adapter)
        engine = _engine_facts(source, compiled, cores)
        given = (cores, machine, scope, compiled.instrumented, watcher, world, runs, host, engine)
        return PausedComponent(*given, options.process_ends)
    except BaseException:
        cores.close()
        raise


def _call(scope: Scope, call: ComponentCall, observer: Observer) -> RunFacts:
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
    return RunFacts(call.name, call.arguments, (), observer.last, value=said[:_LONGEST])


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
    if cores.on_demand:
        more = cores.on_demand.compiled()
        done, size, parts, reused = done + more[0], size + more[1], parts + more[2], cores.on_demand.reused()
    cache, profiles = compiled.cache, compiled.profiles
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
        (profiles.distrusted if profiles else "") or (cache.distrusted if cache else ""),
        compiled.reason.code,
    )
