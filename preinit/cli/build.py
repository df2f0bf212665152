"""`preinit build`."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from ..errors import OutputNotWritable, PreinitError, UsageError, printable
from ..options import BUDGETS
from ..stopwatch import Stopwatch
from .arguments import read
from .budgets import budget_options
from .choice import chosen_config, target_options
from .failure import explained, leave, name_input, say, say_warning
from .options import build_options, options_of
from .output import STANDARD_OUTPUT, check_writable, same_file, write_output
from .progress import shown
from .wizer import Command


@click.command(
    name="build",
    cls=Command,
    epilog="""\b
Examples:
  preinit build engine.wasm -o ready.wasm
  preinit build engine.wasm -f initialize-runtime -o ready.wasm
  preinit build app.wasm -f 'configure(3,0.5)' -f warm-up -o ready.wasm
  preinit build python.wasm --dir lib::/usr/local/lib -o python-ready.wasm
  preinit build app.wasm --stub env.log=zero --random deny -o ready.wasm
  preinit build tool.wasm -r _start=resume --report report.json -o ready.wasm
  preinit build engine.wasm --max-size 2MiB --max-gzip 600KiB -o ready.wasm
  preinit build                         (all targets of the config file)
  preinit build engine app --jobs 4 --depfile ready.d
  preinit build --check
""",
)
@click.argument("sources", nargs=-1, metavar="[IN | TARGET...]")
@click.option(
    "-o", "--output", default="-", metavar="OUT", help="Where to write the module; - is standard output (default)."
)
@build_options
@click.option(
    "--audit", is_flag=True, help="Run again with other entropy, clock and environment, and say what depends on them."
)
@click.option(
    "--verify", is_flag=True, help="Run again, compare with an instance of the output; write nothing if unlike."
)
@budget_options
@target_options
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--report", metavar="FILE", help="Write a JSON report; - is standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--debug", is_flag=True, help="Show Python's traceback of an error.")
@click.pass_context
def command(
    context: click.Context,
    /,
    sources: tuple[str, ...],
    output: str,
    audit: bool,
    verify: bool,
    strict: bool,
    report: str | None,
    quiet: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Run the initializer of the module IN and write a module that starts where it ended.

    Or build targets of the config file (preinit.toml, or pyproject.toml with [tool.preinit]): those that are named, or
    all of them; and only those that have changed.

    IN is a file in the binary or the text format, or - for standard input. The guest sees an empty environment, no
    files, a clock that stands still and random numbers that are the same in every build, unless you say otherwise.
    """
    gc.disable()  # one build and the process ends: collecting cycles would only cost time
    with explained(debug) as progress:
        config = chosen_config(context, sources)
        if config is not None:
            from .targets import Wanted, build_targets

            wanted = Wanted(
                **{name: given[name] for name in Wanted.__dataclass_fields__ if name in given},
                strict=strict,
                quiet=quiet,
            )
            leave(build_targets(config, sources, wanted))
        source = sources[0]
        _check_targets(source, output, report, given["stdin"])
        progress.report = report
        if output == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a binary is not written to a terminal", hint="Name a file: -o OUT.")
        check_writable(output)
        more = {"audit": audit, "strict": strict, "process_ends": True, "measure_gzip": report is not None}
        options = options_of(given, **more, **{name: given[name] for name in BUDGETS})
        if verify:
            from ..verification import check_repeatable, verify_calls

            check_repeatable(options)
        data = read(source)
        from ..pipeline import build  # imports the engine

        watch = Stopwatch()
        try:
            with shown(watch, quiet):
                result = build(data, options, watch=watch)
                verified = verify_calls(data, result.wasm, options, watch=watch) if verify else None
        except PreinitError as problem:
            name_input(problem, "standard input" if source == STANDARD_OUTPUT else source)
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
                say_warning(warning.code, warning.message, warning.hint)
            for line in summary(result.report):
                say(printable(line))
            if verified:
                from ..report.verification import lines

                for line in lines(verified):
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
