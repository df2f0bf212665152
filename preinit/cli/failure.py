"""From exceptions to messages, failure reports and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..errors import OutputNotWritable, PreinitError, as_error, printable
from ..files.outputs import to_stderr, write_output
from .starting import keep_bytecode

#: https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters
_COLOURS = {"red": "31", "yellow": "33"}
_BOLD = "\033[1m"


def style(text: str, colour: str, bold: bool = False) -> str:
    """`text` in colour, on a terminal and without NO_COLOR only."""
    if os.environ.get("NO_COLOR") or sys.stderr is None or not sys.stderr.isatty():
        return text
    return f"\033[{_COLOURS[colour]}m{_BOLD if bold else ''}{text}\033[0m"


class _GuestOutput:
    """What the guest prints goes to standard error, so that a module on standard output stays clean."""

    def __init__(self) -> None:
        self._open = False

    def write(self, data: bytes) -> None:
        to_stderr(data)
        self._open = not data.endswith(b"\n")

    def end_line(self) -> None:
        """Ends a line that the guest left open, so that what is said next has its own."""
        if self._open:
            self._open = False
            to_stderr(b"\n")


#: Takes what guests print.
guest_output = _GuestOutput()


def say(text: str) -> None:
    """Writes a line to standard error. Where nobody reads it, it is lost: the exit code still tells the truth."""
    guest_output.end_line()
    with suppress(OSError, ValueError):
        if os.name == "nt":  # whose consoles may know no escape sequences
            import click

            click.echo(text, err=True)
        elif sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def leave(code: int) -> None:
    """Ends the process now: a thread may still be compiling, and nothing can stop it."""
    guest_output.end_line()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or int(stream is sys.stdout)
    keep_bytecode()
    os._exit(code)


class Progress:
    """How far a command is. `report`: where a failure is reported; None while that could overwrite something else."""

    def __init__(self) -> None:
        self.report: str | None = None
        self.writing = False


@contextmanager
def explained(debug: bool) -> Iterator[Progress]:
    """Turns what is raised inside into a message, a report of the failure and an exit code.

    With `debug`, shows a traceback too.
    """
    progress = Progress()
    try:
        yield progress
    except BrokenPipeError:  # nobody reads any more, so there is nobody to tell
        _report(OutputNotWritable("the reader of the output has stopped reading"), progress)
        # Python would complain while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        leave(141)
    except BaseException as caught:
        if isinstance(caught, SystemExit) or _is_of_click(caught):
            raise
        problem = as_error(caught, progress.writing)
        if debug:
            import traceback  # which imports much, for nothing in most runs

            say(traceback.format_exc().rstrip())
        say_error(problem.code, str(problem))
        _report(problem, progress)
        leave(problem.exit_code)


def _is_of_click(caught: BaseException) -> bool:
    """Whether the group says what this means. click may not be imported here: a plain build does without."""
    return any(kind.__module__.startswith("click.") for kind in type(caught).__mro__)


def say_error(code: str, text: str) -> None:
    """Says what an error has to say."""
    said = "\n".join(map(printable, text.split("\n")))  # a name in it must not steer the terminal
    say(f"{style(f'error[{code}]:', 'red', bold=True)} {said}")


def say_warning(code: str, message: str, hint: str) -> None:
    label = style(f"warning[{code}]:", "yellow", bold=True)
    say(f"{label} {printable(message)}\n  what to do: {printable(hint)}")


def _report(problem: PreinitError, progress: Progress) -> None:
    """Writes the report of a failure. That this fails in its turn must not hide the first problem."""
    if progress.report is None:
        return
    from ..report.json import failure

    try:
        write_output(progress.report, failure(problem).encode(), "--report")
    except BrokenPipeError:
        pass
    except PreinitError as second:
        if second.what not in problem.what:  # else that was said
            say(printable(f"and {second.what}"))
