"""Whether an answer is complete while the command that prints it still runs.

A command says so by printing as many bytes as its Content-Length said, or by closing its standard output. What it does
after that, such as taking an interpreter apart, nobody waits for.
"""

from __future__ import annotations

import re

from .response import HEADER_END, LARGEST_HEADER

_LENGTH = re.compile(rb"(?:\A|(?<=\n))content-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r?\n)", re.IGNORECASE)


class Complete:
    """Looks at what one command printed, each time that it prints something."""

    def __init__(self) -> None:
        self._needed: int | None = None
        self._looked = 0
        self._open = True

    def __call__(self, printed: bytearray) -> bool:
        """Whether all of `printed` is there that there has to be."""
        if self._open and self._needed is None:
            self._needed = self._length(printed)
        return self._needed is not None and len(printed) >= self._needed

    @property
    def length(self) -> int | None:
        """Bytes of the whole output, where the command said how many its body has."""
        return self._needed

    def _length(self, printed: bytearray) -> int | None:
        end = HEADER_END.search(printed, max(0, self._looked - 4), LARGEST_HEADER)
        self._looked = len(printed)
        if end is None:
            self._open = len(printed) < LARGEST_HEADER
            return None
        self._open = False
        lengths = _LENGTH.findall(printed, 0, end.end())
        return end.end() + int(lengths[0]) if len(lengths) == 1 else None
