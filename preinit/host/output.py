"""Where what the guest prints goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from ..errors import OutputFlood


class Output:
    """Passes on what the guest prints, but for the first `shown` bytes. Raises `OutputFlood` after `most` bytes."""

    def __init__(self, write: Callable[[bytes], None], shown: int, most: int) -> None:
        self._write = write
        self._shown = shown
        self._most = most
        self._open = False
        self.total = 0

    def __call__(self, data: bytes) -> None:
        if self.total + len(data) > self._most:
            raise OutputFlood(f"the initializer printed more than {self._most:,} bytes")
        left_out = max(0, self._shown - self.total)
        self.total += len(data)
        if left_out < len(data):
            self._write(data[left_out:])
            self._open = not data.endswith(b"\n")

    def end_line(self) -> None:
        """Ends a line that the guest left open, so that what is said next has its own."""
        if self._open:
            self._write(b"\n")
            self._open = False


def to_stderr(data: bytes) -> None:
    """The guest's output goes to standard error, so that the module on standard output stays clean.

    Where nobody reads it any more, it is lost: what the guest sees, and so the module, must not depend on that.
    """
    with suppress(OSError, ValueError):
        stream = getattr(sys.stderr, "buffer", None)
        if stream is not None:
            stream.write(data)
            stream.flush()
        elif sys.stderr is not None:
            sys.stderr.write(data.decode("utf-8", "replace"))


def drop(_data: bytes) -> None:
    pass
