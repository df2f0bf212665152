"""How far long work is: a line on the terminal that changes, and with --verbose a line for each step."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import counted, printable
from ..passes.observer import WORDS, Event, Observer
from .failure import say

#: Seconds before the line is shown, and between its changes.
_PATIENCE = 1.0
_INTERVAL = 0.2

_CLEAR = "\r\033[K"


def line(observer: Observer) -> str:
    """What is done now, what was compiled for it, how long it all took."""
    said = WORDS.get(observer.now, observer.now)
    if observer.compiled:
        functions, size, _ = observer.compiled()
        said += f"; {counted(functions, 'function')}, {size / 1e6:.1f} MB of code compiled"
    return printable(f"{said}; {time.perf_counter() - observer.started:.0f} s")


@contextmanager
def shown(observer: Observer, quiet: bool, verbose: bool = False) -> Iterator[None]:
    """Shows the line while the work inside goes on, if standard error is a terminal.

    What is written to standard error meanwhile (by a guest, say) stands on lines of its own. With `verbose`, each step
    and what was chosen in it is said, too, on a terminal or not.
    """
    if verbose and not quiet:
        observer.listeners.append(_tell)
    stream = sys.stderr
    if quiet or stream is None or not stream.isatty():
        yield
        return
    status = _Status(stream)
    done = threading.Event()

    def work() -> None:
        if done.wait(_PATIENCE):
            return
        while not done.wait(_INTERVAL):
            status.show(line(observer))

    thread = threading.Thread(target=work, name="preinit-progress", daemon=True)
    thread.start()
    sys.stderr = _Stream(status, stream)
    try:
        yield
    finally:
        sys.stderr = stream
        done.set()
        status.clear()
        thread.join(_PATIENCE)


def _tell(event: Event) -> None:
    if event.kind != "begins":
        said = WORDS.get(event.said, event.said) + (f": {event.detail}" if event.detail else "")
        say(printable(f"{event.seconds:7.3f} s {said}" if event.kind == "ended" else f"{'':10}{said}"))


class _Status:
    """The line, and who may write to the terminal: one at a time."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = threading.RLock()  # whoever writes may be interrupted by a handler that writes
        self._shown = False
        self._closed = False
        self._open = False  # somebody began a line and has not ended it: the status would wipe it out

    def show(self, said: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            if not self._open and not self._closed:
                self._stream.write(_CLEAR + said)
                self._stream.flush()
                self._shown = True

    def clear(self) -> None:
        """Removes the line for good."""
        with self._lock:
            self._wipe()
            self._closed = True

    def _wipe(self) -> None:
        if self._shown:
            self._shown = False
            with suppress(OSError, ValueError):
                self._stream.write(_CLEAR)
                self._stream.flush()

    def write(self, stream: Any, data: Any) -> Any:
        """Writes to `stream`, which leads to the same terminal, what is to stay there."""
        with self._lock:
            if data:
                self._wipe()
                self._open = data[-1:] not in ("\n", b"\n")
            return stream.write(data)


class _Stream:
    """Standard error while the line is shown: the same, but that the line makes room."""

    def __init__(self, status: _Status, stream: Any) -> None:
        self._status = status
        self._stream = stream

    def write(self, data: Any) -> Any:
        return self._status.write(self._stream, data)

    @property
    def buffer(self) -> _Stream:
        return _Stream(self._status, self._stream.buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
