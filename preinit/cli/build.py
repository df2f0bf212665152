"""`preinit build`."""

from __future__ import annotations

import gc
import os
import re
import sys

import click

from ..errors import InputError, UsageError
from ..options import COMPILERS, DEFAULT_INITIALIZERS, DEFAULT_MAX_MEMORY, LAYOUTS, Host, Options
from .failure import explained, leave, style
from .output import STANDARD_OUTPUT, check_writable, write_output

_UNITS = {"": 1, "k": 10, "m": 20, "g": 30}


class Size(click.ParamType[int]):
    """A number of bytes, with an optional unit: 64MiB, 2G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,18})\s*([kmg]?)(?:i?b)?", str(value).strip(), re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is not a size such as 64MiB", param, ctx)
        unit = _UNITS[match[2].lower()]
        return int(match[1]) << unit if match[2] else int(match[1])


@click.command(
    name="build",
    epilog="""\b
Examples:
  preinit build engine.wasm -o ready.wasm
  preinit build engine.wasm -f initialize-runtime -o ready.wasm
  preinit build app.wasm -f 'configure(3,0.5)' -f warm-up -o ready.wasm
  preinit build python.wasm --dir lib::/usr/local/lib -o python-ready.wasm
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
@click.option("--keep-init-func/--no-keep-init-func", default=False, help="Keep the exports that were run.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="balanced",
    show_default=True,
    help="How memory is cut into segments: for size and start-up time, smallest file, smallest gzip, or few.",
)
@click.option("--dir", "dirs", multiple=True, metavar="HOST[::GUEST]", help="Folder that the guest may read.")
@click.option("--env", "env", multiple=True, metavar="K[=V]", help="Environment variable; without =V, ours.")
@click.option(
    "--arg", "args", multiple=True, metavar="ARG", help="Argument of the guest; the first is its program name."
)
@click.option("--stdin", metavar="FILE", help="What the guest reads from standard input.")
@click.option(
    "--engine",
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
    help="Most that a memory may have.  [default: 4GiB]",
)
@click.option("--report", metavar="FILE", help="Write a JSON report; - is standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--debug", is_flag=True, help="Show Python's traceback of an error.")
def command(
    source: str,
    output: str,
    init_func: tuple[str, ...],
    init: str,
    rename_func: tuple[str, ...],
    keep_init_func: bool,
    layout: str,
    dirs: tuple[str, ...],
    env: tuple[str, ...],
    args: tuple[str, ...],
    stdin: str | None,
    engine: str,
    cache: bool,
    timeout: float | None,
    max_memory: int,
    report: str | None,
    quiet: bool,
    debug: bool,
) -> None:
    """Run the initializer of the module IN and write a module that starts where it ended.

    IN is a file in the binary or the text format, or - for standard input. The guest sees an empty environment, no
    files, a clock that stands still and random numbers that are the same in every build, unless you say otherwise.
    """
    gc.disable()  # one build and the process ends: collecting cycles would only cost time
    with explained(debug):
        if output == STANDARD_OUTPUT:
            if report == STANDARD_OUTPUT:
                raise UsageError("the module and the report can't both go to standard output", hint="Name one: -o OUT.")
            if sys.stdout.isatty():
                raise UsageError("a binary is not written to a terminal", hint="Name a file: -o OUT.")
        for target in filter(None, (output, report)):
            check_writable(target)
        options = Options(
            init_funcs=init_func,
            start_only=init == "none",
            rename_funcs=tuple(_pair(text, "=", "-r DST=SRC") for text in rename_func),
            keep_init_func=keep_init_func,
            layout=layout,  # type: ignore[arg-type]
            compiler=engine,  # type: ignore[arg-type]
            cache=cache,
            timeout=timeout,
            max_memory=max_memory,
            host=Host(
                env=tuple(_variable(text) for text in env),
                args=args,
                dirs=tuple(_folder(text) for text in dirs),
                stdin=_read(stdin) if stdin else b"",
            ),
            measure_gzip=report is not None,
        )
        from ..pipeline import build  # imports the engine

        result = build(_read(source), options)
        write_output(output, result.wasm)
        if report:
            from ..report.json import dumps

            write_output(report, dumps(result.report).encode())
        if not quiet:
            from ..report.text import summary

            for warning in result.report.warnings:
                label = style(f"warning[{warning.code}]:", fg="yellow", bold=True)
                click.echo(f"{label} {warning.message}\n  what to do: {warning.hint}", err=True)
            for line in summary(result.report):
                click.echo(line, err=True)
    leave(0)


def _read(path: str) -> bytes:
    try:
        if path == STANDARD_OUTPUT:
            return sys.stdin.buffer.read()
        with open(path, "rb") as stream:  # noqa: PTH123 - a path may be /dev/stdin
            return stream.read()
    except OSError as problem:
        raise InputError(f"the file {path!r} can't be read: {problem.strerror}") from problem


def _pair(text: str, separator: str, form: str) -> tuple[str, str]:
    left, found, right = text.partition(separator)
    if not (left and found and right):
        raise UsageError(f"{text!r} is not of the form {form}")
    return left, right


def _variable(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name:
        raise UsageError(f"{text!r} is not of the form --env K=V")
    if found:
        return name, value
    if name not in os.environ:
        raise UsageError(
            f"there is no environment variable {name!r} to pass on", hint=f"Give it a value: --env {name}=..."
        )
    return name, os.environ[name]


def _folder(text: str) -> tuple[str, str]:
    host, found, guest = text.partition("::")
    if not host or (found and not guest):
        raise UsageError(f"{text!r} is not of the form --dir HOST[::GUEST]")
    return host, guest if found else host
