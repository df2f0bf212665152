"""The passes in order: parse -> instrument -> run -> capture -> rewrite -> validate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .binary.module import Module, parse
from .binary.sections import ExternKind
from .cache import default_folder, engine_configuration
from .capture import capture, observe_references
from .engine.runtime import TABLE_ELEMENTS, Deadline, EngineSettings
from .engine.whole import WholeInstance, check, instantiate
from .errors import ImportedState, InputError, InvalidModule, MemoryLimit, OutputInvalid, UnsupportedProposal
from .facts import Stopwatch, make_report
from .host import World
from .initializers import Call, choose, numeric_results, output_exports
from .instrument import instrument
from .options import Options
from .result import Result, RunFacts
from .rewrite import Plan, Rewritten, variants, write_module
from .snapshot import Snapshot
from .tools import parse_text


@dataclass(frozen=True, eq=False)
class Paused:
    """A guest after its initializer. The snapshot's memories are views of the instance."""

    snapshot: Snapshot
    instance: WholeInstance
    world: World
    runs: tuple[RunFacts, ...]


def build(wasm: bytes | str | os.PathLike[str], options: Options | None = None, **fields: Any) -> Result:
    """Runs a module's initializer and writes a module that starts where it ended.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them.
    options: how to build; instead, its fields can be given by name:

        result = preinit.build("engine.wasm", init_funcs=["initialize-runtime"])
        Path("ready.wasm").write_bytes(result.wasm)

    Returns the output and a report. Raises a `PreinitError`; which, says what is wrong.

    The guest runs in a thread of its own. After a `TimeLimit` or an interrupt it may still be compiling there; code
    that runs under a time limit stops at once.
    """
    options = options or Options(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
    watch = Stopwatch()
    with watch("parse"):
        data = binary(wasm)
        module = parse(data)
        check_supported(module, options)
        calls = choose(module, options)
        exports = output_exports(module, calls, options)
    deadline = Deadline(options.timeout)
    paused = deadline.run(lambda: run_initializer(module, calls, options, deadline, watch))
    try:
        with watch("rewrite"):
            plans = variants(module, Plan(exports, options.layout))
            rewritten, plan = write_valid(module, paused.snapshot, plans, watch)
        report = make_report(
            module,
            calls,
            plan,
            paused.snapshot,
            paused.runs,
            paused.instance.compiler,
            paused.world,
            rewritten,
            options,
            watch,
        )
        return Result(rewritten.wasm, report)
    finally:
        paused.world.close()


def binary(wasm: bytes | str | os.PathLike[str]) -> bytes:
    """The bytes of a binary module, from bytes or a file, text or binary."""
    if isinstance(wasm, bytes | bytearray | memoryview):
        data = bytes(wasm)
    else:
        try:
            data = Path(wasm).read_bytes()
        except OSError as problem:
            raise InputError(f"the input {os.fspath(wasm)!r} can't be read: {problem.strerror}") from problem
    return parse_text(data) if data.lstrip()[:1] in (b"(", b";") else data


def check_supported(module: Module, options: Options) -> None:
    """Refuses what would abort the engine, or can't be written back yet. Raises an `Unsupported` or `MemoryLimit`."""
    if module.types.has_continuations:
        raise UnsupportedProposal("the module uses stack switching, which the engine can't run")
    for entry in module.imports:
        if entry.kind in (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.GLOBAL):
            kind = entry.kind.name.lower()
            raise ImportedState(f"the module imports a {kind}", where=f"import `{entry.module}.{entry.name}`")
    for index, memory in enumerate(module.memories):
        if memory.minimum * memory.page_size > options.max_memory:
            raise MemoryLimit(
                f"memory {index} starts with {memory.minimum * memory.page_size} bytes, "
                f"the limit is {options.max_memory}"
            )
    for index, table in enumerate(module.tables):
        if table.limits.minimum > TABLE_ELEMENTS:
            raise MemoryLimit(
                f"table {index} starts with {table.limits.minimum} elements, the limit is {TABLE_ELEMENTS}",
                hint="Make the table smaller.",
            )


def run_initializer(
    module: Module, calls: Sequence[Call], options: Options, deadline: Deadline, watch: Stopwatch
) -> Paused:
    """Instruments, compiles and runs; returns the paused guest."""
    with watch("instrument"):
        instrumented = instrument(module)
    settings = EngineSettings(options.compiler, _cache(options), interruptible=options.timeout is not None)
    world = World(module, options.host, deadline)
    try:
        with watch("compile"):
            instance = instantiate(instrumented.code, settings, options.max_memory, deadline, world.link)
        exported = module.exported("memory")
        if exported and exported.kind == ExternKind.MEMORY:
            world.bind(lambda: instance.memory("memory"))
        with watch("capture"):
            before = observe_references(module, instrumented, instance)
        runs = []
        with watch("run"):
            if instrumented.start:
                lap = Stopwatch()
                with lap("start"):
                    instance.call(instrumented.start, (), 0)
                runs.append(RunFacts("start function", (), (), lap.seconds["start"]))
            for call in calls:
                lap = Stopwatch()
                with lap(call.name):
                    results = instance.call(call.name, call.raw, len(call.type.results))
                values = numeric_results(call, results)
                runs.append(RunFacts(call.name, call.arguments, values, lap.seconds[call.name]))
        with watch("capture"):
            snapshot = capture(module, instrumented, instance, before)
    except BaseException:
        world.close()
        raise
    return Paused(snapshot, instance, world, tuple(runs))


def _cache(options: Options) -> str | None:
    if not options.cache:
        return None
    folder = Path(options.cache_dir) if options.cache_dir else default_folder()
    return engine_configuration(folder) if folder else None


def write_valid(
    module: Module, snapshot: Snapshot, plans: Iterable[Plan], watch: Stopwatch
) -> tuple[Rewritten, Plan]:
    """The first of the plans whose output validates. Raises `OutputInvalid`, `OutputTooLarge`."""
    problem: Exception | None = None
    for plan in plans:
        rewritten = write_module(module, snapshot, plan)
        try:
            with watch("validate"):
                check(rewritten.wasm)
            return rewritten, plan
        except (InvalidModule, UnsupportedProposal) as refusal:
            problem = refusal
    raise OutputInvalid(f"the output does not validate: {problem}") from problem
