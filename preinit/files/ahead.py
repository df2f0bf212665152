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

#: Bytes between two looks at whether it is still wanted.
_AT_ONCE = 4 << 20


class Ahead:
    """What is written ahead for one `target`: the last output that was begun."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._work: _Work | None = None

    def begin(self, output: Rope) -> None:
        """Begins to write an output, if it is large and the target a file; one that was begun before is discarded."""
        self.discard()
        if len(output) >= _LARGE and self._target != STANDARD_OUTPUT and not is_stream(self._target):
            with suppress(RuntimeError):  # too many threads
                self._work = _Work(os.path.realpath(self._target), output)

    def finish(self, output: Rope) -> bool:
        """Puts it at the target; False where it was not written: whoever writes it then finds out why."""
        work, self._work = self._work, None
        if work is None:
            return False
        if work.output is output and work.done():
            return True
        work.discard()
        return False

    def discard(self) -> None:
        """Removes what was written."""
        work, self._work = self._work, None
        if work is not None:
            work.discard()


class _Work:
    def __init__(self, path: str, output: Rope) -> None:
        self.output = output
        self._path = path
        self._pieces = output.pieces
        self._partial: Partial | None = None
        self._written = False
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
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
        self._thread.join()
        if not self._written or self._partial is None:
            return False
        try:
            self._partial.commit()
        except OSError:
            return False
        return True

    def discard(self) -> None:
        self._unwanted.set()
        self._thread.join()
        if self._partial is not None:
            with suppress(OSError):
                self._partial.discard()
