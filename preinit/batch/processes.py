"""Processes of this machine that do jobs.

Each has a pipe of its own, of which nobody else holds an end: when a process dies, even in the middle of an answer,
whoever waits for that answer sees the end of the pipe. They are in a process group each, so that a Ctrl-C reaches them
through us only, and their input ends when we do.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import IO

from ..errors import PreinitError, SystemLimit, as_limit
from .messages import read_message, write_message
from .work import Order, Outcome, Request

#: The same modules as ours, whatever folder is the current one.
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from preinit.batch.worker import main; main()"

#: Seconds that processes have to end, after they were told to.
_PATIENCE = 2.0

_SIGNALS = [signal.SIGINT, signal.SIGTERM]


class Died(Exception):
    """A process ended before it gave its answer. `str()`: how, in words."""


class Processes:
    """Processes of this machine: a thread for each hands it one job after the other, and replaces it when it dies."""

    lost: tuple[type[BaseException], ...] = (Died,)

    def __init__(self, order: Order, size: int) -> None:
        self.size = size
        self._order = pickle.dumps(order)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Request, Future[Outcome]]] = deque()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._hands = 0  # threads that take jobs
        for number in range(size):
            try:
                thread = threading.Thread(target=self._work, name="preinit-batch", daemon=True)
                with self._changed:
                    self._hands += 1
                thread.start()
            except RuntimeError as problem:
                with self._changed:
                    self._hands -= 1
                if not number:
                    raise _refused(problem) from problem
                break  # those that are there do all

    def submit(self, request: Request) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        with self._changed:
            self._waiting.append((request, future))
            self._changed.notify()
        return future

    def renew(self) -> None:
        """Nothing: a process that died has been replaced when there is something to do for it."""

    def check(self) -> None:
        """A process that ends is noticed at once; what would not be is that nobody hands out jobs."""
        with self._changed:
            if not self._hands and not self._closed:
                raise PreinitError("nobody hands out the jobs any more")

    def close(self, now: bool) -> None:
        """See `Crew`. Does not wait for long: processes that do not end are killed."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            running = list(self._running)
        for process in running:
            with suppress(OSError, ValueError):
                if now:
                    process.terminate()
                else:
                    _end_of(process.stdin).close()  # it ends when there is nothing more to do
        deadline = time.monotonic() + _PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _work(self) -> None:
        left = False
        try:
            left = self._hand_out()
        finally:
            if not left:
                with self._changed:
                    self._hands -= 1

    def _hand_out(self) -> bool:
        """Until there is nothing more to do, or, then True, this thread has left what there is to others."""
        if hasattr(signal, "pthread_sigmask"):
            # A process has the mask of the thread that starts it: it takes no signal before it knows what to do then.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        process: subprocess.Popen[bytes] | None = None
        while task := self._next():
            request, future = task
            try:
                if process is None:
                    process = self._start()
                future.set_result(_ask(process, request))
            except Died as problem:
                if process is not None:
                    self._forget(process)
                process = None
                future.set_exception(problem)
            except OSError as problem:  # no process can be started
                if self._leave_to_others(task):
                    return True
                future.set_exception(_refused(problem))
            except BaseException as problem:
                future.set_exception(problem)
        return False

    def _next(self) -> tuple[Request, Future[Outcome]] | None:
        """The next job; None when there will be none."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            return self._waiting.popleft()

    def _leave_to_others(self, task: tuple[Request, Future[Outcome]]) -> bool:
        """Whether others do the job: then this thread ends, and counts no more. The last one stays."""
        with self._changed:
            if self._hands <= 1:
                return False
            self._hands -= 1
            self._waiting.appendleft(task)
            self._changed.notify()
            return True

    def _start(self) -> subprocess.Popen[bytes]:
        """Raises `OSError`, `Died`."""
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0 if os.name == "posix" else None,
        )
        with self._changed:
            self._running.add(process)
            closed = self._closed
        if closed:
            process.kill()
        try:
            _send(process, self._order)
        except BaseException:
            self._forget(process)
            raise
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._changed:
            self._running.discard(process)


def _ask(process: subprocess.Popen[bytes], request: Request) -> Outcome:
    _send(process, pickle.dumps(request))
    try:
        answer = read_message(_end_of(process.stdout))
    except (OSError, ValueError):
        answer = None
    if answer is None:
        raise _died(process)
    outcome: Outcome = pickle.loads(answer)  # of our own process
    return outcome


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    try:
        write_message(_end_of(process.stdin), data)
    except (OSError, ValueError) as problem:
        raise _died(process) from problem


def _end_of(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _died(process: subprocess.Popen[bytes]) -> Died:
    """Says how; nothing is left of the process."""
    try:
        code = process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:  # it closed its pipe, and goes on
        process.kill()
        code = process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            _end_of(pipe).close()
    if code >= 0:
        return Died(f"exit code {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Died(f"{name}, as where the system runs out of memory" if code == -getattr(signal, "SIGKILL", 9) else name)


def _refused(problem: Exception) -> PreinitError:
    what = "no process that does jobs can be started"
    return as_limit(problem, what, starts=True) or SystemLimit(f"{what}: {problem}", hint="Use fewer: `--jobs 1`.")
