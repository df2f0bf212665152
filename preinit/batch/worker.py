"""A process of this machine that does jobs: it reads them from standard input, and writes what became of them to
standard output. It ends when its input does, whatever it is doing then. What guests print goes to standard error.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..errors import Terminated, as_error, clean_up_when_terminated, printable
from ..files.outputs import to_stderr
from .messages import read_message, write_message

if TYPE_CHECKING:
    from .work import Order


def main() -> None:
    """Does jobs; ends the process."""
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing but answers goes there
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us gets that, too, and ends us
    try:
        clean_up_when_terminated()
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
        given = read_message(sys.stdin.buffer)
        if given is not None:
            _do(pickle.loads(given), answers)  # from our parent
    except Terminated as end:
        os._exit(end.exit_code)
    except BrokenPipeError:
        os._exit(141)
    except Exception as problem:  # memory that ran out, say; jobs have their errors in their answers
        to_stderr(f"a process that does jobs ends: {printable(as_error(problem).what)}\n".encode())
        os._exit(1)
    os._exit(0)


def _do(order: Order, answers: int) -> None:
    from .work import perform

    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(waiting,), daemon=True).start()
    with os.fdopen(answers, "wb") as stream:
        while True:
            write_message(stream, pickle.dumps(perform(order, waiting.get())))


def _receive(waiting: SimpleQueue[bytes]) -> None:
    while (data := read_message(sys.stdin.buffer)) is not None:
        waiting.put(data)
    os._exit(0)
