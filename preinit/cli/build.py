"""`preinit build`."""

from __future__ import annotations

import gc
from typing import Any

import click

from .building import build_file
from .choice import chosen_config, target_options
from .completed import File
from .failure import explained, leave
from .manual import messages, under
from .options import build_options, verdict_options
from .wizer import Command


@click.command(
    name="build",
    cls=Command,
    examples=(
        "preinit build engine.wasm -o ready.wasm",
        "preinit build engine.wasm -f initialize-runtime -f 'compile-src(@app.js)?' -o ready.wasm",
        "preinit build python.wasm --dir lib::/usr/local/lib --report report.json -o ready.wasm",
        "preinit build tool.wasm -r _start=resume --stub env.log=zero --random deny -o ready.wasm",
        "preinit build                         (all targets of the config file)",
        "preinit build engine app --jobs 4 --check",
    ),
)
@click.argument("sources", nargs=-1, metavar="[IN | TARGET...]", type=File())
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
    "Checks, budgets and reports",
    verdict_options,
    click.option(
        "--verify",
        is_flag=True,
        help="Run again, compare with an instance of the output; write nothing if they differ.",
    ),
    click.option("--report", type=File(), metavar="FILE", help="Write a JSON report; - is standard output."),
    click.option("--html", type=File(), metavar="FILE", help="Write a page about the build and what is in the output."),
)
@under("Targets of a config file", target_options)
@messages
@click.pass_context
def command(
    context: click.Context,
    /,
    sources: tuple[str, ...],
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
            from ..targets.run import Wanted
            from .targets import build_targets

            wanted = Wanted(
                **{name: given[name] for name in Wanted.__dataclass_fields__ if given.get(name) is not None},
            )
            leave(build_targets(config, sources, wanted))
        build_file({"sources": sources, **given}, progress)
