"""`preinit bench`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError, printable
from ..files.outputs import STANDARD_OUTPUT, check_outputs, write_output
from ..passes.observer import Observer
from .arguments import other_inputs, read
from .completed import File
from .failure import explained, leave, say
from .given import options_of
from .manual import messages, under
from .options import run_options
from .progress import shown
from .wizer import Command

if TYPE_CHECKING:
    from ..bench.model import ManyCopies


@click.command(
    name="bench",
    cls=Command,
    examples=(
        "preinit bench engine.wasm ready.wasm",
        "preinit bench engine.wasm ready.wasm -f initialize-runtime --html start.html",
        "preinit bench engine.wasm ready.wasm --call 'answer(42)' --json=start.json",
        "preinit bench python.wasm python-ready.wasm --dir lib::/usr/local/lib --rounds 5",
        "preinit bench engine.wasm ready.wasm --runtime node",
        "preinit bench engine.wasm ready.wasm --copies 5000 --call answer",
    ),
)
@click.argument("source", metavar="IN", type=File())
@click.argument("output", metavar="OUT", type=File())
@under(
    "What is measured",
    click.option(
        "--call",
        "calls",
        multiple=True,
        metavar="NAME[(N,..)]",
        help="Export to call in both, when they are ready: measures the time up to its answer.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["wasmtime", "node"]),
        default="wasmtime",
        show_default=True,
        help="Where to run them. Node has to be installed, 20 or newer.",
    ),
    click.option("--rounds", type=click.IntRange(3), default=21, show_default=True, help="Starts of each module."),
    click.option(
        "--seconds",
        type=click.FloatRange(0, min_open=True),
        default=10.0,
        show_default=True,
        help="No new round after that long, from the third one on.",
    ),
    click.option(
        "--copies",
        type=click.IntRange(1),
        metavar="N",
        help="Instead, start N copies of each, out of a pool, next to an empty module of equal size.",
    ),
)
@under(
    "How it is shown",
    click.option(
        "--json", metavar="[=FILE]", type=File(), help="JSON instead of text. A file name comes only after =."
    ),
    click.option("--html", metavar="FILE", type=File(), help="A page with a chart: one file, which needs no network."),
)
@run_options
@messages
def command(
    source: str,
    output: str,
    calls: tuple[str, ...],
    runtime: str,
    rounds: int,
    seconds: float,
    copies: int | None,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Measure how fast the module IN starts, and how fast OUT does, which `preinit build` made of it.

    IN is instantiated and initialized, OUT is instantiated, in turn. Give the options that the build was given. The
    table has medians, copies per second of a compiled module, compile time, sizes, and the memory that one more copy
    takes (on Linux). What provides imports is made before the time is taken; calls of WASI go to preinit's own, as in
    a build. What the guest prints is dropped. With --pause-at, both run up to what they print first.
    """
    with explained(debug):
        others = {name: name for name in other_inputs(given) if name}
        inputs = {"IN": source, "OUT": output, "--stdin": given["stdin"], **others}
        check_outputs(inputs, {"--json": json, "--html": html})
        if source == output == STANDARD_OUTPUT:
            raise UsageError("IN and OUT can't both be standard input", hint="Give one of them as a file.")
        if copies is not None and (html or runtime != "wasmtime"):
            raise UsageError(f"--copies has no {'page' if html else 'other runtime'}", hint="Leave one of them out.")
        options = options_of(given)
        modules = read(source), read(output)
        if modules[0] == modules[1] and not quiet:
            say("note: IN and OUT hold the same bytes; what differs is that initializers are called in IN only")
        observer = Observer()
        if copies is not None:
            from ..bench.pooled import measure_copies

            with shown(observer, quiet, verbose):
                many = measure_copies(*modules, options, copies=copies, calls=calls, observer=observer)
            _show_copies(many, json)
            leave(0)
        from ..bench.run import measure_modules

        with shown(observer, quiet, verbose):
            found = measure_modules(
                *modules, options, runtime=runtime, rounds=rounds, seconds=seconds, calls=calls, observer=observer
            )
        if json:
            from ..report.json import dumps

            write_output(json, dumps(found).encode(), "--json")
        if html:
            from ..report.bench_page import bench_page

            write_output(html, bench_page(found, *map(_name, (source, output))).encode(), "--html")
        if json != STANDARD_OUTPUT:
            from ..report.bench_text import lines

            write_output(STANDARD_OUTPUT, ("\n".join(map(printable, lines(found))) + "\n").encode())
        if found.ratio < 1 and not quiet:
            say("note: the output does not start faster than the original")
    leave(0)


def _show_copies(many: ManyCopies, json: str | None) -> None:
    if json:
        from ..report.json import dumps

        write_output(json, dumps(many).encode(), "--json")
    if json != STANDARD_OUTPUT:
        from ..report.copies_text import lines

        write_output(STANDARD_OUTPUT, ("\n".join(lines(many)) + "\n").encode())


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_OUTPUT else os.path.basename(path)
