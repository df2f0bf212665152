"""`preinit build`."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from ..errors import OutputNotWritable, PreinitError, TimeLimit, UsageError, printable
from ..stopwatch import Stopwatch
from .arguments import File, read
from .failure import explained, leave, say, style
from .help import ENVIRONMENT, messages, under
from .options import build_options, options_of
from .output import STANDARD_OUTPUT, check_writable, same_file, write_output
from .progress import shown
from .wizer import Command


@click.command(
    name="build",
    cls=Command,
    examples=(
        "preinit build engine.wasm -o ready.wasm",
        "preinit build engine.wasm -f initialize-runtime -o ready.wasm",
        "preinit build app.wasm -f 'configure(3,0.5)' -f warm-up -o ready.wasm",
        "preinit build python.wasm --dir lib::/usr/local/lib -o python-ready.wasm",
        "preinit build app.wasm --stub env.log=zero --random deny -o ready.wasm",
        "preinit build tool.wasm -r _start=resume --report report.json -o ready.wasm",
    ),
    environment=tuple(ENVIRONMENT),
)
@click.argument("source", metavar="IN", type=File())
@click.option(
    "-o",
    "--output",
    type=File(),
    default="-",
    metavar="OUT",
    help="Where to write the module; - is standard output (default).",
)
@build_options
@under(
    "Checks and reports",
    click.option(
        "--audit",
        is_flag=True,
        help="Run again with other entropy, clock and environment, and say what depends on them.",
    ),
    click.option("--strict", is_flag=True, help="Warnings are errors."),
    click.option("--report", type=File(), metavar="FILE", help="Write a JSON report; - is standard output."),
)
@messages
def command(
    source: str,
    output: str,
    audit: bool,
    strict: bool,
    report: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Run the initializer of the module IN and write a module that starts where it ended.

    IN is a file in the binary or the text format, or - for standard input. The guest sees an empty environment, no
    files, a clock that stands still and random numbers that are the same in every build, unless you say otherwise.
    """
    gc.disable()  # one build and the process ends: collecting cycles would only cost time
    with explained(debug) as progress:
        _check_targets(source, output, report, given["stdin"])
        progress.report = report
        if output == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a binary is not written to a terminal", hint="Name a file: -o OUT.")
        check_writable(output)
        options = options_of(given, audit=audit, strict=strict, process_ends=True, measure_gzip=report is not None)
        data = read(source)
        from ..pipeline import build  # imports the engine

        watch = Stopwatch()
        try:
            with shown(watch, quiet, verbose):
                result = build(data, options, watch=watch)
        except PreinitError as problem:
            _name_input(problem, source)
            raise
        progress.writing = True
        write_output(output, result.wasm)
        if report:
            from ..report.json import dumps

            try:
                write_output(report, dumps(result.report).encode(), "--report")
            except OutputNotWritable as problem:
                raise OutputNotWritable(f"{problem.what}; the module was written", hint=problem.hint) from problem
        if not quiet:
            from ..report.text import summary

            for warning in result.report.warnings:
                label = style(f"warning[{warning.code}]:", fg="yellow", bold=True)
                say(f"{label} {printable(warning.message)}\n  what to do: {printable(warning.hint)}")
            for line in summary(result.report):
                say(printable(line))
    leave(0)


def _check_targets(source: str, output: str, report: str | None, stdin: str | None) -> None:
    """Refuses names that would have the report overwrite something, or two readers share one stream."""
    for option, name in (("-o", output), ("--report", report), ("--stdin", stdin)):
        if name == "":
            raise UsageError(f"the file name of `{option}` is empty")
    if source == stdin == STANDARD_OUTPUT:
        raise UsageError(
            "the module and the guest's standard input can't both be read from standard input",
            hint="Give one of them as a file.",
        )
    if report is None:
        return
    if same_file(output, report):
        where = "standard output" if output == STANDARD_OUTPUT else repr(output)
        raise UsageError(f"the module and the report can't both go to {where}", hint="Name one: -o OUT.")
    for used in (source, stdin):
        if used and STANDARD_OUTPUT not in (used, report) and same_file(used, report):
            raise UsageError(
                f"the report would overwrite the input {used!r}", hint="Name another file with `--report`."
            )
    check_writable(report, "--report")


def _name_input(problem: PreinitError, source: str) -> None:
    """Puts the input's name in front of the place in it. The time limit and wrong options have other causes."""
    if not isinstance(problem, UsageError | TimeLimit):
        name = "standard input" if source == STANDARD_OUTPUT else source
        problem.where = f"{name}, {problem.where}" if problem.where else name
