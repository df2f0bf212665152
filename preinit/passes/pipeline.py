"""The passes in order: parse -> instrument -> run -> capture -> rewrite -> validate."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..binary.module import Module, parse
from ..engine.runtime import Deadline
from ..errors import (
    InvalidModule,
    OutputInvalid,
    PreinitError,
    TimeLimit,
    UnsupportedProposal,
    UsageError,
    WarningsRefused,
    quoted,
)
from ..options import Options
from .observer import Stopwatch
from .parse.source import binary
from .parse.supported import check_room, check_supported
from .plan.initializers import choose, no_ops, output_exports
from .run.runner import Job, run_guest
from .run.strategies import Kept
from .validate.validity import Validity

if TYPE_CHECKING:
    from ..result import Result
    from ..symbols.stack import Stack
    from .rewrite import Plan, Rewritten, Run
    from .snapshot import Snapshot


def build(
    wasm: bytes | str | os.PathLike[str],
    options: Options | None = None,
    *,
    watch: Stopwatch | None = None,
    **fields: Any,
) -> Result:
    """Runs a module's initializer and writes a module that starts where it ended.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them.
    options: how to build; instead, its fields can be given by name:

        result = preinit.build("engine.wasm", init_funcs=["initialize-runtime"])
        Path("ready.wasm").write_bytes(result.wasm)

    watch: where another thread can see how far the build is.

    Returns the output and a report. Raises a `PreinitError`; which, says what is wrong.

    The guest runs in a thread of its own. After a `TimeLimit` or an interrupt it may still be compiling there; code
    that runs under a time limit stops at once.
    """
    if options is None:
        options = Options.of(fields)
    elif not isinstance(options, Options):
        raise UsageError(f"options must be Options, not {type(options).__name__}")
    elif fields:
        raise UsageError(f"options were given, and {next(iter(fields))!r} beside them", hint="Put all into Options.")
    watch = watch or Stopwatch()
    deadline = Deadline(options.timeout, grace=not options.process_ends)
    deadline.doing = watch.doing
    with watch("parse"):
        source = read_source(wasm, options, deadline)
        order = place(source, options, deadline)
    return carry_out(order, watch, meanwhile=_import_the_rest)


class Source(NamedTuple):
    """A module to build from, the modules that it is given beside it, and what to compile of each of those."""

    module: Module
    preloads: Mapping[str, Module]
    beside: Mapping[str, bytes]


class Order(NamedTuple):
    """One build: what is to be run, the output's exports, and the stack, of which a part is to be zeroed."""

    job: Job
    exports: tuple[tuple[str, int, int], ...]
    stack: Stack | None


def read_source(wasm: bytes | str | os.PathLike[str], options: Options, deadline: Deadline) -> Source:
    """Parses and checks what is given. Raises an `InputError`, `UsageError`, `TimeLimit`."""
    module = deadline.start(lambda: parse(binary(wasm, deadline.remaining()))).result()
    check_supported(module, options)
    return Source(module, *read_preloads(module, options))


def check_again(source: Source, options: Options) -> None:
    """Checks what was read for other options, which differ in nothing that reading depends on. Raises the same."""
    check_supported(source.module, options)
    if source.preloads:
        from ..host.preload import check_uses

        check_uses(source.module, source.preloads, options)
        _check_room_beside(source.module, source.preloads, options)


def place(source: Source, options: Options, deadline: Deadline) -> Order:
    """What is to be done for these options. Raises a `PreinitError` where they don't fit the module."""
    module = source.module
    calls = choose(module, options)
    exports = output_exports(module, calls, options)
    stack = None
    if options.scrub_stack:
        from ..symbols.stack import find_stack

        stack = find_stack(module)
    return Order(Job(module, tuple(calls), options, source.preloads, source.beside, deadline), exports, stack)


def carry_out(
    order: Order,
    watch: Stopwatch,
    meanwhile: Callable[[], object] = lambda: None,
    kept: Kept[Any] | None = None,
    validity: Validity | None = None,
) -> Result:
    """Runs the guest and writes what it left, see `build`.

    `meanwhile` is called while the engine compiles. `kept`, `validity`: what is known from other builds of the module.
    """
    job, exports, stack = order
    module, options, deadline = job.module, job.options, job.deadline
    validity = validity or Validity(module, options)
    paused = run_guest(job, watch, meanwhile, kept)
    try:
        from ..result import Result
        from .findings.leaks import leaks
        from .findings.report import make_report
        from .rewrite import Plan, has_more, variants

        scrubbed = None
        if stack:
            from .rewrite.scrub import scrub

            scrubbed = scrub(module, stack, paused.snapshot, options.layout)
        differences = None
        if options.audit:
            from .audit import audit

            with watch("audit"):
                differences = audit(job, paused, stack)
        noops = no_ops(module, job.calls, paused.returned, options)
        keeps, restores = options.imports != "define", options.imports == "restore"
        plan = Plan(exports, options.layout, keep_imports=keeps, restore=restores, noops=noops)
        plans = variants(module, paused.snapshot, plan)
        rewritten, plan = write_valid(module, paused.snapshot, plans, validity, deadline, watch)
        if has_more(rewritten.wasm, module):
            validity.check(module.data)  # code that was never called may name what the input lacks
        leaked = leaks(module, options.host, paused.snapshot, rewritten.runs) if options.host.env else ()
        report = make_report(module, job.calls, plan, paused, rewritten, options, watch.seconds)
    except PreinitError as problem:
        if not isinstance(problem, TimeLimit):  # after that, a thread may still be reading the guest's memories
            paused.instance.close()  # whoever keeps the error must not keep those
        raise
    finally:
        paused.world.close()
    if not options.process_ends:
        paused.instance.close()
    warnings = (*report.warnings, *leaked)
    report = dataclasses.replace(report, audit=differences, scrub_stack=scrubbed, warnings=warnings)
    if options.strict and report.warnings:
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in report.warnings))
    if options.budgets:
        from .findings.budgets import check_budgets

        check_budgets(report, module, rewritten, options)
    return Result(rewritten.wasm, report)


def _import_the_rest() -> None:
    """Imports what is needed only when the guest has run: there is time for that while the engine compiles."""
    from .. import result  # noqa: F401


def read_preloads(module: Module, options: Options) -> tuple[dict[str, Module], dict[str, bytes]]:
    """The preloaded modules, parsed, and what to compile of each. Raises `UsageError`, or what parsing raises."""
    if not options.preloads:
        return {}, {}
    from ..host import preload as preloading

    modules: dict[str, Module] = {}
    for name, given in options.preloads:
        try:
            modules[name] = parse(binary(given))
        except PreinitError as problem:
            problem.where = f"preloaded module {quoted(name)}" + (f", {problem.where}" if problem.where else "")
            raise
    preloading.check(module, modules, options)
    _check_room_beside(module, modules, options)
    return modules, {name: preloading.without_names(preload) for name, preload in modules.items()}


def _check_room_beside(module: Module, preloads: Mapping[str, Module], options: Options) -> None:
    from ..engine.bounds import elsewhere

    check_room(module, options, *elsewhere(module, preloads))


def write_valid(
    module: Module,
    snapshot: Snapshot,
    plans: Iterable[Plan],
    validity: Validity,
    deadline: Deadline,
    watch: Stopwatch,
) -> tuple[Rewritten, Plan]:
    """The first of the plans whose output validates.

    Raises `OutputInvalid`, `OutputTooLarge`; `InvalidModule` or `UnsupportedProposal` if the input is to blame.
    """
    from .rewrite import memory_runs, write_module

    runs: list[Run] | None = None
    problem: Exception | None = None
    for plan in plans:
        deadline.check_time()
        with watch("rewrite"):
            if runs is None:
                runs = deadline.start(partial(memory_runs, module, snapshot, plan.layout)).result()
            rewritten = deadline.start(partial(write_module, module, snapshot, plan, runs)).result()
        try:
            with watch("validate"):
                deadline.start(partial(validity.check, rewritten.wasm)).result()
            return rewritten, plan
        except (InvalidModule, UnsupportedProposal) as refusal:
            problem = refusal
    validity.check(module.data)  # on demand, code that was never called is seen here for the first time
    raise OutputInvalid(f"the output does not validate: {problem}") from problem
