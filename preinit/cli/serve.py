"""`preinit serve`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from ..errors import PreinitError, UsageError, printable
from ..files.outputs import STANDARD_OUTPUT
from ..options import tables
from ..options.declared import declared
from ..passes.observer import Observer
from ..serve.settings import Settings
from .arguments import read
from .completed import File
from .failure import explained, leave, say
from .given import files
from .manual import Command, messages, under
from .options import click_option
from .progress import shown

_OPTIONS = list(declared(Settings))


def _settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that set the fields of `Settings`."""
    for heading in reversed(dict.fromkeys(option.heading or "" for option in _OPTIONS)):
        listed = [click_option(option) for option in _OPTIONS if option.heading == heading]
        function = under(heading, *listed)(function)
    return function


@click.command(
    name="serve",
    cls=Command,
    examples=(
        "preinit serve ready.wasm",
        "preinit serve ready.wasm --port 0 --env MODE=test --dir site::/site",
        "preinit serve ready.wasm --timeout 2 --max-memory 64MiB --max-body 10MiB",
        "preinit serve app.wasm --entry handle --threads 4",
    ),
)
@click.argument("source", metavar="OUT", type=File())
@under(
    "Where",
    click.option(
        "--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen; :: is everywhere."
    ),
    click.option("--port", type=int, default=8000, show_default=True, metavar="N", help="0 takes one that is free."),
)
@_settings_options
@messages
def command(source: str, bind: str, port: int, quiet: bool, verbose: bool, debug: bool, **given: Any) -> None:
    """Answer HTTP requests with the command OUT: each with a fresh instance.

    OUT is a module, pre-initialized or not, that speaks CGI (RFC 3875): it finds the request in its environment and
    its standard input, and prints headers, an empty line and the body. Ctrl-C or SIGTERM ends the server when the
    requests that are under way are answered.
    """
    with explained(debug):
        from ..serve.application import Application
        from ..serve.server import Server

        settings = Settings(**tables.fields_from(_OPTIONS, tables.settings_from(_OPTIONS, given), files()))
        lock = threading.Lock()

        def log(line: str) -> None:
            with lock:
                say(line)

        data = read(source)
        observer = Observer()
        if not quiet:
            say(printable(f"compiling {source}"))
        try:
            with shown(observer, quiet, verbose), observer.stage("compile"):
                application = Application(data, settings, log=None if quiet else log)
        except PreinitError as problem:
            if not isinstance(problem, UsageError):
                name = "standard input" if source == STANDARD_OUTPUT else source
                problem.where = f"{name}, {problem.where}" if problem.where else name
            raise
        server = Server(application, bind, port, (lambda line: None) if quiet else log)
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
