"""From exceptions to messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..errors import Interrupted, PreinitError, printable


def style(text: str, **how: object) -> str:
    """`text` in colour, on a terminal and without NO_COLOR only."""
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return click.style(text, **how)  # type: ignore[arg-type]


def leave(code: int) -> None:
    """Ends the process now: a thread may still be compiling, and nothing can stop it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


@contextmanager
def explained(debug: bool) -> Iterator[None]:
    """Turns what is raised inside into a message on standard error and an exit code. With `debug`, a traceback too."""
    try:
        yield
    except PreinitError as problem:
        _say(problem, debug)
        leave(problem.exit_code)
    except KeyboardInterrupt:
        _say(Interrupted("interrupted; nothing was written"), debug)
        leave(Interrupted.exit_code)
    except BrokenPipeError:
        # Nobody reads any more. Python would complain while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        leave(141)
    except click.ClickException:
        raise
    except click.exceptions.Exit:
        raise
    except MemoryError:
        _say(PreinitError("there is not enough memory to build this module"), debug)
        leave(1)
    except Exception as problem:
        _say(
            PreinitError(
                f"unexpected: {type(problem).__name__}: {problem}",
                hint="This is a bug in preinit: please report it with the output of `--debug`.",
            ),
            debug,
        )
        leave(1)


def _say(problem: PreinitError, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    said = "\n".join(map(printable, str(problem).split("\n")))  # a name in it must not steer the terminal
    click.echo(f"{style(f'error[{problem.code}]:', fg='red', bold=True)} {said}", err=True)
