"""Running a component up to the end of its last initializer."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...binary.growth import Bounds
from ...engine.code import CodeCache
from ...engine.component.linked import Linked, LinkedCode, LinkedModule, compile_linked
from ...engine.component.machine import Machine
from ...engine.component.scope import Scope
from ...engine.runtime import TABLE_ELEMENTS, Deadline, EngineSettings
from ...errors import InitializerRefused, PreinitError, UnsupportedProposal, counted, quoted
from ...files.cache import examined_of
from ...host.wasi2 import ComponentWorld
from ...options import Options
from ...options.accepted import watched
from ..instrument import Instrumented, instrument
from ..observer import Observer
from ..plan.job import interruptible
from .plan import ComponentCall, ComponentPlan, find_function
from .seen import Seen
from .source import ComponentSource, placed, starts_with
from .tables import Watched
from .wave import value_text

if TYPE_CHECKING:
    from ...result import EngineFacts, HostFacts, RunFacts


class Compiled(NamedTuple):
    """`instrumented`: where things are in the copies that run, by where each module begins."""

    code: LinkedCode
    instrumented: dict[int, Instrumented]
    cache: CodeCache | None
    not_kept: str


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


def compile_component(
    source: ComponentSource, plan: ComponentPlan, options: Options, deadline: Deadline, observer: Observer
) -> Compiled:
    """Instruments and compiles the core modules of which there are instances."""
    modules: list[LinkedModule] = []
    instrumented: dict[int, Instrumented] = {}
    size, elements = starts_with(source, plan.instances)
    with observer.stage("instrument"):
        for start in dict.fromkeys(plan.instances):
            part = source.parts[start]
            try:
                own = starts_with(source, [start])
                elsewhere = (size - own[0], elements - own[1])
                limits = Bounds(options.max_memory, TABLE_ELEMENTS, *elsewhere)
                code, where = deadline.start(partial(instrument, part.module, limits)).result()
            except PreinitError as problem:
                raise placed(problem, part.number, part.start) from None
            if code.unknown_instruction is not None:
                raise placed(
                    UnsupportedProposal(
                        "an instruction is not known, and a memory may grow after it without being watched",
                        where=f"byte offset {code.unknown_instruction:#x}",
                    ),
                    part.number,
                    part.start,
                )
            modules.append(LinkedModule(code, where.start, start, part.number))
            instrumented[start] = where
    found = examined_of(options.cache_dir) if options.cache else ""
    cache = CodeCache(found) if isinstance(found, Path) else None
    settings = EngineSettings(options.compiler, None, interruptible(options))
    with observer.stage("compile"), cache.running() if cache else nullcontext():
        code_of = deadline.start(lambda: compile_linked(modules, settings, cache, deadline.check_time)).result()
    return Compiled(code_of, instrumented, cache, "" if cache else str(found))


def run_component(
    source: ComponentSource,
    plan: ComponentPlan,
    compiled: Compiled,
    options: Options,
    deadline: Deadline,
    observer: Observer,
) -> PausedComponent:
    """Runs the component in fresh instances. Raises what its functions raise, `InitializerRefused`."""
    world = ComponentWorld(options.host, deadline, watched(options.accept), options.digest_files)
    try:
        with compiled.cache.running() if compiled.cache else nullcontext():
            return deadline.start(lambda: _run(source, plan, compiled, options, deadline, observer, world)).result()
    except BaseException:
        world.close()
        raise


def _run(
    source: ComponentSource,
    plan: ComponentPlan,
    compiled: Compiled,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    world: ComponentWorld,
) -> PausedComponent:
    cores = Linked(compiled.code, options.max_memory, interruptible(options), deadline)
    try:
        cores.watcher = watcher = Watched(compiled.instrumented)
        world.calls.backtrace = cores.backtrace
        machine = Machine(cores, world)
        with observer.stage("instantiate"):
            scope = machine.run(source.component)
        runs = tuple(_call(scope, call, observer) for call in plan.calls)
        with observer.stage("settle"):
            seen = Seen(source, cores)
            host = world.settle(seen.frames, seen.is_adapter)
        engine = _engine_facts(source, plan, compiled)
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


def _engine_facts(source: ComponentSource, plan: ComponentPlan, compiled: Compiled) -> EngineFacts:
    from ...result import EngineFacts

    modules = [source.parts[start].module for start in compiled.instrumented]
    bodies = [module.bodies for module in modules]
    functions = sum(map(len, bodies))
    size = sum(body.end - body.start for of_one in bodies for body in of_one)
    cache = compiled.cache
    return EngineFacts(
        "whole",
        compiled.code.compiler,
        f"{counted(len(modules), 'core module')} of a component",
        functions,
        functions,
        size,
        len(modules),
        0,
        compiled.not_kept,
        cache.distrusted if cache else "",
        "component",
    )
