"""`preinit capture`."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import PreinitError, UsageError, locate_input, printable
from ..files.outputs import STANDARD_OUTPUT, check_outputs, write_output
from ..options import tables
from ..options.capture import SHARED, Capturing
from ..options.declared import Effect, declared
from ..options.hints import option as written
from ..options.tables import fields_from, settings_from
from ..passes.observer import Observer
from .arguments import read
from .completed import File
from .failure import explained, leave, say, say_warning
from .given import files, own_fields
from .manual import Command, messages, under
from .options import click_option, options_where
from .progress import shown

if TYPE_CHECKING:
    from ..result import Result

Function = TypeVar("Function", bound=Callable[..., Any])

#: Of what a build and a capture share, what is given after `--`.
_BEHIND = "args"
_SHARED = [o for o in tables.all_options().values() if o.name in SHARED and o.name != _BEHIND]
_VERDICTS = [o for o in tables.all_options().values() if o.effect is Effect.VERDICT and o.name != "audit"]


def _options(function: Function) -> Function:
    """The options of a capture, those that a build has, too, under their headings."""
    groups: dict[str, list[Callable[[Any], Any]]] = {}
    for option in (*declared(Capturing), *_SHARED):
        assert option.heading is not None
        groups.setdefault(option.heading, []).append(click_option(option))
    for heading, group in reversed(groups.items()):
        function = under(heading, *group)(function)
    return function


class _ArgumentsBehind(Command):
    """A command whose script's arguments come behind `--` only: another path would be taken for one silently."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        behind = len(given) - given.index("--") - 1 if "--" in given else 0
        found: tuple[str, ...] = ctx.params.get("args") or ()
        if len(found) > behind and not ctx.resilient_parsing:
            more, said = found[0], printable(found[0])
            is_module = more.endswith((".wasm", ".wat"))
            raise UsageError(
                f"there is one argument too many: '{said}'",
                where="preinit capture",
                hint=f"Name the output with {written('-o', more)}."
                if is_module
                else f"What the script finds in process.argv stands behind `--`: put -- before {shlex.quote(said)}.",
            )
        return rest


@click.command(
    name="capture",
    cls=_ArgumentsBehind,
    examples=(
        "preinit capture app.wasm prepare.mjs -o ready.wasm",
        "preinit capture lua.wasm prepare.mjs -o ready.wasm --report report.json",
        "preinit capture php.wasm prepare.mjs -o ready.wasm --once php_wasm_init --forget-fd 4",
        "preinit capture app.wasm prepare.mjs -o ready.wasm --timeout 60 -- words.txt",
    ),
)
@click.argument("source", metavar="IN", type=File())
@click.argument("script", metavar="SCRIPT", type=File())
@click.argument("args", metavar="[-- ARG...]", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=File(),
    default="-",
    metavar="OUT",
    help="Where to write the module; - is standard output (default).",
)
@_options
@under(
    "Checks, budgets and reports",
    options_where(lambda option: option in _VERDICTS),
    click.option("--report", type=File(), metavar="FILE", help="Write a JSON report; - is standard output."),
    click.option("--html", type=File(), metavar="FILE", help="Write a page about it and what is in the output."),
)
@messages
def command(
    source: str,
    script: str,
    args: tuple[str, ...],
    output: str,
    report: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Run a program in Node, in its own JavaScript glue, and write a module that starts where SCRIPT left it.

    IN is the module that the glue loads: one by Emscripten, say. SCRIPT exports load(), which loads the glue as always
    and returns the program, and prepare(program); where needed resume(program), which repeats in an instance of the
    output what only JavaScript knows, and answer(program), a value that both must have in common. The glue then loads
    OUT in the place of IN, and prepare is left out. docs/glue.md has examples.
    """
    gc.disable()  # one capture and the process ends
    with explained(debug) as progress:
        check_outputs({"IN": source, "SCRIPT": script}, {"-o": output, "--report": report, "--html": html})
        progress.report = report
        if output == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a binary is not written to a terminal", hint="Name a file: `-o OUT`.")
        shared = settings_from([*_SHARED, *_VERDICTS], given)
        options = tables.options_of(shared, files(), **own_fields(), args=args, measure_gzip=bool(report or html))
        wanted = Capturing(**fields_from(declared(Capturing), settings_from(declared(Capturing), given), files()))
        data = read(source)
        from ..node import capture_module

        observer = Observer()
        try:
            with shown(observer, quiet, verbose):
                result = capture_module(data, script, options, wanted, observer)
        except PreinitError as problem:
            if not problem.where:
                locate_input(problem, "standard input" if source == STANDARD_OUTPUT else source)
            raise
        progress.writing = True
        write_output(output, result.written.pieces)
        if report:
            from ..report.json import dumps

            write_output(report, dumps(result.report).encode(), "--report")
        if html:
            write_output(html, _page(data, result, output).encode(), "--html")
        if not quiet:
            from ..report.text import summary

            for warning in result.report.warnings:
                say_warning(warning.code, warning.message, warning.hint)
            for line in summary(result.report):
                say(printable(line))
    leave(0)


def _page(data: bytes, result: Result, output: str) -> str:
    from ..binary.module import parse
    from ..inspection import inspect_module
    from ..passes.parse.source import binary
    from ..report.inspection_page import inspection_page

    modules = [parse(wasm, libraries=True) for wasm in (result.wasm, binary(data))]
    name = "standard output" if output == STANDARD_OUTPUT else os.path.basename(output)
    return inspection_page(inspect_module(*modules), name, result.report)
