"""`preinit build`."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from ..errors import OutputNotWritable, PreinitError, TimeLimit, UsageError, printable
from ..options import COMPILERS, DEFAULT_INITIALIZERS, DEFAULT_MAX_MEMORY, ENGINES, IMPORTS, LAYOUTS, Options
from ..stopwatch import Stopwatch
from .arguments import Kept, Size, imported_global, preload, read, renaming, stub
from .failure import explained, leave, say, style
from .output import STANDARD_OUTPUT, check_writable, same_file, write_output
from .progress import shown
from .wizer import Command, spellings
from .world import host, world_options


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
""",
)
@click.argument("source", metavar="IN")
@click.option(
    "-o", "--output", default="-", metavar="OUT", help="Where to write the module; - is standard output (default)."
)
@click.option(
    "-f",
    "--init-func",
    multiple=True,
    metavar="NAME[(N,..)]",
    help=f"Export to run, several in order. Default: the first of {', '.join(DEFAULT_INITIALIZERS)}.",
)
@click.option(
    "--init",
    type=click.Choice(["auto", "none"]),
    default="auto",
    help="none: run only the start function and _initialize.",
)
@click.option(
    "-r", "--rename-func", multiple=True, metavar="DST=SRC", help="Export SRC under the name DST in the output."
)
@click.option(
    "--keep-init-func",
    type=Kept(),
    default=False,
    metavar="[=BOOL|noop]",
    help="Keep the exports that were run; noop: as functions that do nothing. A value comes only after =.",
)
@click.option(
    "--imports",
    type=click.Choice(IMPORTS),
    default="keep",
    show_default=True,
    help="Imported memories, tables and globals stay imports and must come fresh (keep), become the output's own "
    "(define), or are filled by a start function, whatever they hold (restore).",
)
@click.option(
    "--preload",
    "preloads",
    multiple=True,
    metavar="NAME=FILE",
    help="Module (.wasm or .wat) that provides the imports from NAME while the initializer runs.",
)
@click.option(
    "--stub",
    "stubs",
    multiple=True,
    metavar="MODULE.NAME=trap|zero|ERRNO",
    help="What an imported function does at build time: fail the build, return zeros, or an errno of WASI.",
)
@click.option(
    "--import-global",
    "import_globals",
    multiple=True,
    metavar="MODULE.NAME=VALUE",
    help="Value of an imported global.",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="balanced",
    show_default=True,
    help="How memory is cut into segments: for size and start-up time, smallest file, smallest gzip, or few.",
)
@world_options
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="Compile the whole module before it runs, or each function when it is called (ondemand).",
)
@click.option(
    "--compiler",
    type=click.Choice(COMPILERS),
    default="auto",
    show_default=True,
    help="The engine's compiler: fast (winch), for every proposal (cranelift), or the first that can.",
)
@click.option("--cache/--no-cache", default=True, help="Keep compiled code for the next build of the same module.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after that long.")
@click.option(
    "--max-memory",
    type=Size(),
    default=DEFAULT_MAX_MEMORY,
    metavar="SIZE",
    help="Most that all memories may have together.  [default: 4GiB]",
)
@click.option(
    "--audit", is_flag=True, help="Run again with other entropy, clock and environment, and say what depends on them."
)
@click.option(
    "--scrub-stack", is_flag=True, help="Zero what returned calls left on the stack; refused unless the stack is first."
)
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--report", metavar="FILE", help="Write a JSON report; - is standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--debug", is_flag=True, help="Show Python's traceback of an error.")
@spellings
def command(
    source: str,
    output: str,
    init_func: tuple[str, ...],
    init: str,
    rename_func: tuple[str, ...],
    keep_init_func: bool | str,
    imports: str,
    import_globals: tuple[str, ...],
    preloads: tuple[str, ...],
    stubs: tuple[str, ...],
    layout: str,
    engine: str,
    compiler: str,
    cache: bool,
    timeout: float | None,
    max_memory: int,
    audit: bool,
    scrub_stack: bool,
    strict: bool,
    report: str | None,
    quiet: bool,
    debug: bool,
    **world: Any,
) -> None:
    """Run the initializer of the module IN and write a module that starts where it ended.

    IN is a file in the binary or the text format, or - for standard input. The guest sees an empty environment, no
    files, a clock that stands still and random numbers that are the same in every build, unless you say otherwise.
    """
    gc.disable()  # one build and the process ends: collecting cycles would only cost time
    with explained(debug) as progress:
        _check_targets(source, output, report, world["stdin"])
        progress.report = report
        if output == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a binary is not written to a terminal", hint="Name a file: -o OUT.")
        check_writable(output)
        options = Options(
            init_funcs=init_func,
            start_only=init == "none",
            rename_funcs=tuple(map(renaming, rename_func)),
            keep_init_func=keep_init_func,  # type: ignore[arg-type]
            imports=imports,  # type: ignore[arg-type]
            import_globals=tuple(map(imported_global, import_globals)),
            preloads=tuple(map(preload, preloads)),
            stubs=tuple(map(stub, stubs)),
            layout=layout,  # type: ignore[arg-type]
            engine=engine,  # type: ignore[arg-type]
            compiler=compiler,  # type: ignore[arg-type]
            cache=cache,
            timeout=timeout,
            max_memory=max_memory,
            host=host(world),
            audit=audit,
            scrub_stack=scrub_stack,
            strict=strict,
            process_ends=True,
            measure_gzip=report is not None,
        )
        data = read(source)
        from ..pipeline import build  # imports the engine

        watch = Stopwatch()
        try:
            with shown(watch, quiet):
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
