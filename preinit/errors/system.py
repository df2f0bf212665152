"""Limits of the system, by the number of an error: what it is that ran out, and what to do.

Whatever the system refuses comes to this place, so that no message blames a file, a module or a program for it.
"""

from __future__ import annotations

import errno
import signal
import threading

from ..tuples import NamedTuple
from .base import Interrupted, PreinitError, printable


class SystemLimit(PreinitError):
    """The system refuses something that every program needs: memory, files, processes, space on a device.

    What to do: Raise the limit that the message names, or make room.
    """

    code = "system-limit"


class Terminated(KeyboardInterrupt):
    """SIGTERM ends the work as Ctrl-C does: what is half written is removed, and what was started ends. A second one
    ends it at once. SIGHUP does the same: the terminal was closed."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.signal = signal.Signals(number).name
        self.exit_code = 128 + number


def _terminate(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)


def clean_up_when_terminated() -> None:
    """To be called by whoever owns the process, first of all: from now on, SIGTERM and SIGHUP raise
    `Terminated`."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:  # whoever started us may want it ignored
            signal.signal(number, _terminate)


class Limit(NamedTuple):
    """`what` ran out, in words that follow a colon; `hint`: what to do. `here`: only on one device."""

    what: str
    hint: str
    here: bool = False


_SPACE = Limit("no space is left on that device", "Make room on it, or use another device.", here=True)
_FILES = Limit(
    "too many files are open",
    "Raise that limit of the shell (`ulimit -n 4096`), or close some in the program that starts preinit.",
)

#: Errors that say something about the system, and nothing about the file or program that was asked for.
_LIMITS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: Limit("the quota of its user is used up", "Make room, or use another device.", here=True),
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES._replace(hint="Too many are open in the whole system: end some programs."),
    errno.EFBIG: Limit(
        "a file may not be that large",
        "Raise that limit of the shell (`ulimit -f unlimited`), or use a file system that holds such files.",
    ),
    errno.ENOMEM: Limit(
        "the system has no memory left for this process",
        "Raise the limit of its address space, if there is one (`ulimit -v unlimited`), or use a machine with more.",
    ),
}


#: Where a process or a thread can't be started, which needs address space, too; `EAGAIN` says other things elsewhere.
_STARTS = Limit(
    "the system starts no more processes or threads",
    "Raise the limits of the shell, that of processes (`ulimit -u`) and of address space (`ulimit -v unlimited`), or "
    "end some programs.",
)
#: What Python says of a thread, without a number.
_NO_THREAD = "can't start new thread"


def system_limit(problem: BaseException | int | None) -> Limit | None:
    """The limit that an `OSError`, or an error's number, tells of; None if it is about something else."""
    number = problem.errno if isinstance(problem, OSError) else problem
    return _LIMITS.get(number) if isinstance(number, int) else None


def way_out(problem: BaseException, otherwise: str, elsewhere: str = "") -> str:
    """What to do about an error of the system: about the limit that it tells of, or what its place has to say.

    `elsewhere`: how to use another device, in a sentence.
    """
    limit = system_limit(problem)
    if limit is None:
        return otherwise
    return f"{limit.hint} {elsewhere}" if limit.here and elsewhere else limit.hint


def in_words(problem: BaseException) -> str:
    """What the system says of an error, without its number and the file's name; else what the error itself says."""
    return printable(str((isinstance(problem, OSError) and problem.strerror) or problem))


def as_limit(problem: BaseException, doing: str, starts: bool = False) -> SystemLimit | None:
    """The error for a limit that was met while `doing` something ("wasm-tools can't be started"), if it is one.

    `starts`: that was starting a process.
    """
    limit = system_limit(problem)
    no_thread = isinstance(problem, RuntimeError) and _NO_THREAD in str(problem)
    if limit is None and (no_thread or (starts and isinstance(problem, BlockingIOError))):
        limit = _STARTS
    return SystemLimit(f"{doing}: {limit.what}", hint=limit.hint) if limit else None


def as_error(caught: BaseException, writing: bool = False) -> PreinitError:
    """What is told about any exception; `writing`: outputs may have been written already."""
    if isinstance(caught, PreinitError):
        return caught
    if isinstance(caught, KeyboardInterrupt):
        ended = f"ended by {caught.signal}" if isinstance(caught, Terminated) else "interrupted"
        problem = Interrupted(f"{ended} while writing" if writing else f"{ended}; nothing was written")
        problem.exit_code = getattr(caught, "exit_code", problem.exit_code)
        return problem
    if isinstance(caught, MemoryError):
        return PreinitError("there is not enough memory to build this module", hint=_LIMITS[errno.ENOMEM].hint)
    limit = as_limit(caught, "preinit could not go on")
    if limit:
        return limit
    return PreinitError(
        f"unexpected: {type(caught).__name__}: {caught}",
        hint="This is a bug in preinit: please report it with the output of `--debug`.",
    )
