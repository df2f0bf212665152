"""Standard input, output and error of the guest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Stream:
    """An input with `data`, or what `late` gives when it is first read; or an output with a `sink`."""

    data: bytes = b""
    sink: Callable[[bytes], None] | None = None
    position: int = 0
    was_read: bool = False
    late: Callable[[], bytes] | None = None

    def read(self, size: int) -> bytes:
        self.was_read |= size > 0
        if self.late is not None:
            self.data, self.late = self.late(), None
        part = self.data[self.position : self.position + size]
        self.position += len(part)
        return part
