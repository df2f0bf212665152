"""The passes in order: parse -> instrument -> run -> capture -> rewrite -> validate."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from .binary.module import Module, parse
from .engine.runtime import Deadline
from .engine.validation import check
from .errors import (
    InvalidModule,
    OutputInvalid,
    PreinitError,
    UnsupportedProposal,
    UsageError,
    WarningsRefused,
    quoted,
)
from .initializers import choose, no_ops, output_exports
from .options import Options
from .runner import Job, run_guest
from .source import binary
from .stopwatch import Stopwatch
from .supported import check_room, check_supported
from .validity import Validity

if TYPE_CHECKING:
    from .result import Result
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
        module = deadline.start(lambda: parse(binary(wasm, deadline.remaining()))).result()
        check_supported(module, options)
        calls = choose(module, options)
        exports = output_exports(module, calls, options)
        preloads, beside = read_preloads(module, options)
        stack = None
        if options.scrub_stack:
            from .stack import find_stack, scrub

            stack = find_stack(module)
    job = Job(module, tuple(calls), options, preloads, beside, deadline)
    paused = run_guest(job, watch, _import_the_rest)
    try:
        from .facts import make_report
        from .leaks import leaks
        from .result import Result
        from .rewrite import Plan, has_more, variants

        scrubbed = scrub(module, stack, paused.snapshot, options.layout) if stack else None
        differences = None
        if options.audit:
            from .audit import audit

            with watch("audit"):
                differences = audit(job, paused, stack)
        noops = no_ops(module, calls, paused.returned, options)
        keeps, restores = options.imports != "define", options.imports == "restore"
        plan = Plan(exports, options.layout, keep_imports=keeps, restore=restores, noops=noops)
        plans = variants(module, paused.snapshot, plan)
        validity = Validity(module, options)
        rewritten, plan = write_valid(module, paused.snapshot, plans, validity, deadline, watch)
        if has_more(rewritten.wasm, module):
            validity.check(module.data)  # code that was never called may name what the input lacks
        leaked = leaks(module, options.host, paused.snapshot, rewritten.runs) if options.host.env else ()
    finally:
        paused.world.close()
    report = make_report(module, calls, plan, paused, rewritten, options, watch.seconds)
    warnings = (*report.warnings, *leaked)
    report = dataclasses.replace(report, audit=differences, scrub_stack=scrubbed, warnings=warnings)
    if options.strict and report.warnings:
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in report.warnings))
    if options.budgets:
        from .budgets import check_budgets

        check_budgets(report, module, rewritten, options)
    return Result(rewritten.wasm, report)


def _import_the_rest() -> None:
    """Imports what is needed only when the guest has run: there is time for that while the engine compiles."""
    from . import capture, facts, result, rewrite  # noqa: F401


def read_preloads(module: Module, options: Options) -> tuple[dict[str, Module], dict[str, bytes]]:
    """The preloaded modules, parsed, and what to compile of each. Raises `UsageError`, or what parsing raises."""
    if not options.preloads:
        return {}, {}
    from .engine.bounds import elsewhere
    from .host import preload as preloading

    modules: dict[str, Module] = {}
    for name, given in options.preloads:
        try:
            modules[name] = parse(binary(given))
        except PreinitError as problem:
            problem.where = f"preloaded module {quoted(name)}" + (f", {problem.where}" if problem.where else "")
            raise
    preloading.check(module, modules, options)
    check_room(module, options, *elsewhere(module, modules))
    return modules, {name: preloading.without_names(preload) for name, preload in modules.items()}


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
    check(module.data)  # on demand, code that was never called is seen here for the first time
    raise OutputInvalid(f"the output does not validate: {problem}") from problem
