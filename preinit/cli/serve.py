"""`preinit serve`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from ..errors import PreinitError, UsageError
from ..files.outputs import STANDARD_OUTPUT
from ..passes.observer import Observer
from ..serve.settings import (
    DEFAULT_MAX_BODY,
    DEFAULT_MAX_MEMORY,
    DEFAULT_MAX_OUTPUT,
    DEFAULT_THREADS,
    DEFAULT_TIMEOUT,
    Settings,
)
from .arguments import File, Size, folder, read, variable
from .failure import explained, leave, say
from .help import Command, messages, under
from .progress import shown


def _limit(name: str, default: int, text: str) -> Callable[[Any], Any]:
    return click.option(name, type=Size(), default=default, metavar="SIZE", help=text)


@click.command(
    name="serve",
    cls=Command,
    examples=(
        "preinit serve ready.wasm",
        "preinit serve ready.wasm --port 0 --env MODE=test --dir site::/site",
        "preinit serve ready.wasm --timeout 2 --max-memory 64MiB --max-body 10MiB",
        "preinit serve app.wasm --entry handle --threads 4",
    ),
    environment=("PREINIT_CACHE_DIR", "PREINIT_WASM_TOOLS", "NO_COLOR"),
)
@click.argument("source", metavar="OUT", type=File())
@under(
    "Where",
    click.option(
        "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen; :: is everywhere."
    ),
    click.option("--port", type=int, default=8000, show_default=True, metavar="N", help="0 takes one that is free."),
)
@under(
    "What an instance sees",
    click.option("--dir", "dirs", multiple=True, metavar="HOST[::GUEST]", help="Folder that instances may read."),
    click.option("--env", multiple=True, metavar="K[=V]", help="Environment variable; without =V, ours."),
    click.option("--arg", "args", multiple=True, metavar="ARG", help="Argument; the first is the program's name."),
)
@under(
    "Limits",
    click.option(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long a request may take.",
    ),
    _limit("--max-memory", DEFAULT_MAX_MEMORY, "Most of an instance's memory.  [default: 256MiB]"),
    _limit("--max-body", DEFAULT_MAX_BODY, "Most of a request's body.  [default: 1MiB]"),
    _limit("--max-output", DEFAULT_MAX_OUTPUT, "Most of an answer.  [default: 16MiB]"),
    click.option(
        "--threads",
        type=int,
        default=DEFAULT_THREADS,
        show_default=True,
        metavar="N",
        help="Requests answered at the same time.",
    ),
)
@under(
    "How it is run",
    click.option("--entry", default="_start", show_default=True, metavar="NAME", help="Export that answers a request."),
    click.option(
        "--compiler",
        type=click.Choice(["cranelift", "winch"]),
        default="cranelift",
        show_default=True,
        help="The engine's compiler: for fast code, or fast itself.",
    ),
    click.option("--cache/--no-cache", default=True, help="Keep compiled code for the next start."),
)
@messages
def command(source: str, host: str, port: int, quiet: bool, verbose: bool, debug: bool, **given: Any) -> None:
    """Answer HTTP requests with the command OUT: each with a fresh instance.

    OUT is a module, pre-initialized or not, that speaks CGI (RFC 3875): it finds the request in its environment and
    its standard input, and prints headers, an empty line and the body. Ctrl-C or SIGTERM ends the server when the
    requests that are under way are answered.
    """
    with explained(debug):
        from ..serve.application import Application
        from ..serve.server import Server

        settings = Settings(
            **{
                **given,
                "dirs": tuple(map(folder, given["dirs"])),
                "env": tuple(map(variable, given["env"])),
            }
        )
        lock = threading.Lock()

        def log(line: str) -> None:
            with lock:
                say(line)

        data = read(source)
        observer = Observer()
        try:
            with shown(observer, quiet, verbose), observer.stage("compile"):
                application = Application(data, settings, log=None if quiet else log)
        except PreinitError as problem:
            if not isinstance(problem, UsageError):
                name = "standard input" if source == STANDARD_OUTPUT else source
                problem.where = f"{name}, {problem.where}" if problem.where else name
            raise
        server = Server(application, host, port, (lambda line: None) if quiet else log)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stopper(server.stop))
        say(f"serving {source} at {server.url}, a fresh instance for each request; Ctrl-C ends it")
        server.run()
    leave(0)


def _stopper(stop: Callable[[], None]) -> Callable[[int, object], None]:
    """The first signal ends the server when it is done, the second one now."""
    asked: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if asked:
            sys.stderr.flush()
            leave(128 + number)
        asked.append(number)
        stop()

    return handle
