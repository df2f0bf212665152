"""`preinit inspect`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..errors import PreinitError, UsageError, locate_input
from ..files.outputs import STANDARD_OUTPUT, check_writable, same_file, write_output
from ..passes.observer import Observer
from .arguments import read
from .completed import File
from .failure import explained, leave, say
from .manual import Command, messages
from .progress import shown

if TYPE_CHECKING:
    from ..inspection import ComponentInspection, Inspection
    from ..result import Report


class _OptionalFile(Command):
    """A command whose `--json` takes a value only after `=`: what follows is the input."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._with_value(args)))

    def _with_value(self, args: list[str]) -> Iterator[str]:
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                yield arg
                yield from rest
            else:
                yield f"--json={STANDARD_OUTPUT}" if arg == "--json" else arg


@click.command(
    name="inspect",
    cls=_OptionalFile,
    examples=(
        "preinit inspect ready.wasm",
        "preinit inspect ready.wasm --against engine.wasm",
        "preinit inspect ready.wasm --against engine.wasm --html ready.html",
        "preinit inspect ready.wasm --from-report report.json --html ready.html",
        "preinit inspect ready.wasm --json | python -m json.tool",
    ),
)
@click.argument("source", metavar="IN", type=File())
@click.option(
    "--against", type=File(), metavar="ORIGINAL", help="The module that IN was made from: say what the snapshot added."
)
@click.option(
    "--from-report", type=File(), metavar="FILE", help="The JSON report of the build that wrote IN, for the page."
)
@click.option("--json", type=File(), metavar="[=FILE]", help="JSON instead of text. A file name comes only after =.")
@click.option("--html", type=File(), metavar="FILE", help="A page instead of text: one file, which needs no network.")
@messages
def command(
    source: str,
    against: str | None,
    from_report: str | None,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
) -> None:
    """Show what is in the module IN, and what a snapshot added to it.

    IN is a file in the binary or the text format, or - for standard input. Sections and sizes, the memory page by
    page, segments, tables, globals, code by groups of functions. Nothing is run.
    """
    gc.disable()  # one look and the process ends
    with explained(debug):
        _check_names(source, against, from_report, json, html)
        data = _binary(source)
        observer = Observer()
        with shown(observer, quiet, verbose), observer.stage("looking at the module"):
            found, built = _inspected(data, source, against), _report(from_report)
        name = "standard input" if source == STANDARD_OUTPUT else os.path.basename(source)
        if not quiet and built and found.sha256 not in (built.output.sha256, built.input.sha256):
            say("note: the report is that of another module: neither its input nor its output has this SHA-256")
        if json:
            from ..report.json import dumps

            write_output(json, dumps(found).encode(), "--json")
        if html:
            from ..report.inspected import page_of

            write_output(html, page_of(found, name, built).encode(), "--html")
        if not json and not html:
            from ..report.inspected import text_of

            write_output(STANDARD_OUTPUT, "".join(f"{line}\n" for line in text_of(found, name)).encode())
    leave(0)


def _check_names(source: str, against: str | None, report: str | None, json: str | None, html: str | None) -> None:
    """Refuses names that would have one thing overwrite another, or two readers share one stream."""
    inputs = {"IN": source, "--against": against, "--from-report": report}
    outputs = {"--json": json, "--html": html}
    for option, name in (*inputs.items(), *outputs.items()):
        if name == "":
            raise UsageError(f"the file name of `{option}` is empty")
    if list(inputs.values()).count(STANDARD_OUTPUT) > 1:
        raise UsageError(
            "only one of IN, --against and --from-report can be standard input", hint="Give others as files."
        )
    if json and html and same_file(json, html):
        raise UsageError("--json and --html can't both go to one place", hint="Name two files.")
    for option, name in outputs.items():
        for given in inputs.values():
            if name and given and STANDARD_OUTPUT not in (name, given) and same_file(name, given):
                raise UsageError(f"`{option}` would overwrite the input {given!r}", hint="Name another file.")
        if name:
            check_writable(name, option)


def _binary(source: str) -> bytes:
    from ..passes.parse.source import binary

    try:
        return binary(read(source))
    except PreinitError as problem:
        locate_input(problem, "standard input" if source == STANDARD_OUTPUT else source)
        raise


def _inspected(data: bytes, source: str, against: str | None) -> Inspection | ComponentInspection:
    from ..inspection import inspect

    original = None if against is None else read(against)
    try:
        return inspect(data, original)
    except PreinitError as problem:
        if not isinstance(problem, UsageError) and not (problem.where or "").startswith("the original"):
            name = "standard input" if source == STANDARD_OUTPUT else source
            problem.where = f"{name}, {problem.where}" if problem.where else name
        raise


def _report(path: str | None) -> Report | None:
    if path is None:
        return None
    from ..result import Report
    from ..result.read import MOST_REPORT

    try:
        return Report.from_json(read(path, MOST_REPORT))
    except PreinitError as problem:
        problem.where = problem.where or path
        raise
