"""Writing an output while it is still being validated: it takes its target's place only when somebody says so."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from ..binary.rope import Rope
from .outputs import STANDARD_OUTPUT, is_stream
from .replace import Partial

#: Bytes of an output from which on a thread pays.
_LARGE = 1 << 20

#: Bytes between two looks at whether it is still wanted; before each, it waits for Python's lock.
_AT_ONCE = 32 << 20


class Ahead:
    """What is written ahead for one `target`: the last output that was begun."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._work: _Work | None = None

    def begin(self, output: Rope) -> None:
        """Begins to write an output, if it is large and the target a file; one that was begun before is discarded."""
        self.discard()
        if len(output) >= _LARGE and self._target != STANDARD_OUTPUT and not is_stream(self._target):
            self._work = _Work(os.path.realpath(self._target), output)
            with suppress(RuntimeError):  # too many threads
                self._work.start()

    def finish(self, output: Rope) -> bool:
        """Puts it at the target; False where it was not written: whoever writes it then finds out why."""
        if self._work is not None and self._work.output is output and self._work.done():
            self._work = None
            return True
        self.discard()
        return False

    def discard(self) -> None:
        """Removes what was written."""
        if self._work is not None:
            self._work.discard()
            self._work = None


class _Work:
    def __init__(self, path: str, output: Rope) -> None:
        self.output = output
        self._path = path
        self._pieces = output.pieces
        self._partial: Partial | None = None
        self._written = False
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def start(self) -> None:
        """Raises `RuntimeError`."""
        self._thread.start()

    def _write(self) -> None:
        with suppress(OSError):
            self._partial = partial = Partial(self._path)
            for piece in self._pieces:
                for at in range(0, len(piece), _AT_ONCE):
                    if self._unwanted.is_set():
                        return
                    partial.write(memoryview(piece)[at : at + _AT_ONCE])
            self._written = True

    def done(self) -> bool:
        """Waits for it and puts it at its place; False if that can't be done."""
        self._wait()
        if not self._written or self._partial is None:
            return False
        try:
            self._partial.commit()
        except OSError:
            return False
        return True

    def discard(self) -> None:
        self._unwanted.set()
        self._wait()
        if self._partial is not None:
            with suppress(OSError):
                self._partial.discard()

    def _wait(self) -> None:
        if self._thread.ident is not None:  # else it was not started
            self._thread.join()
