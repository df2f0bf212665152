"""Standard input, output and error of the guest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Stream:
    """An input with `data`, or an output with a `sink`."""

    data: bytes = b""
    sink: Callable[[bytes], None] | None = None
    _position: int = 0

    def read(self, size: int) -> bytes:
        part = self.data[self._position : self._position + size]
        self._position += len(part)
        return part
