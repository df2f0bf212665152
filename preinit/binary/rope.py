"""A binary in pieces: an output is nearly all of its input, of which a second copy would take as much memory again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import overload

from .cursor import Cursor
from .mapped import Buffer

#: Bytes from which on a piece is kept as it is; shorter ones are joined, so that a rope has few.
_LARGE = 1 << 16

#: What does not change.
_FIXED = (bytes, Buffer)


class Rope:
    """The pieces of a binary, in order; joined for who asks for `joined`. For any thread.

    Views of what may change, as a guest's memory, are copied at once.
    """

    __slots__ = ("_held",)

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        kept: list[bytes | memoryview] = []
        small: list[bytes | memoryview] = []
        for piece in pieces:
            if len(piece) < _LARGE or not isinstance(piece.obj if isinstance(piece, memoryview) else piece, _FIXED):
                small.append(piece)
                continue
            if small:
                kept.append(b"".join(small))
                small = []
            kept.append(piece)
        if small:
            kept.append(b"".join(small))
        self._hold(kept)

    def _hold(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._held = tuple(pieces), tuple(accumulate(map(len, pieces)))  # the pieces, and where each ends

    def __len__(self) -> int:
        _, ends = self._held
        return ends[-1] if ends else 0

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytes: ...
    def __getitem__(self, index: int | slice) -> int | bytes:
        """As of bytes, from a start up to an end."""
        if isinstance(index, slice):
            return bytes(self.part(*index.indices(len(self))[:2]))
        return self.part(index, index + 1)[0]

    def __reduce__(self) -> tuple[type[Rope], tuple[list[bytes]]]:
        return Rope, ([self.joined()],)

    @property
    def pieces(self) -> Sequence[bytes | memoryview]:
        """All of it, in order."""
        return self._held[0]

    def joined(self) -> bytes:
        """All of it in one: made once, and in the place of the pieces from then on."""
        pieces = self.pieces
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return pieces[0]
        whole = b"".join(pieces)
        self._hold([whole])
        return whole

    def part(self, start: int, end: int) -> bytes | memoryview:
        """The bytes `start:end`; not copied where they lie in one piece."""
        buffer, at = self._place(start, end)
        return memoryview(buffer)[at : at + end - start]

    def parts(self, start: int, end: int) -> list[memoryview]:
        """The same bytes in as many pieces as they are here; nothing is copied."""
        pieces, ends = self._held
        index = bisect_right(ends, start)
        found: list[memoryview] = []
        while start < end and index < len(pieces):
            first = ends[index] - len(pieces[index])
            found.append(memoryview(pieces[index])[start - first : end - first])
            start = ends[index]
            index += 1
        return found

    def cursor(self, start: int, end: int, what: str) -> Cursor:
        """What reads `start:end`. Its offsets are those in a piece, or in a copy of these bytes."""
        buffer, at = self._place(start, end)
        if isinstance(buffer, memoryview):
            buffer, at = bytes(buffer[at : at + end - start]), 0
        return Cursor(buffer, at, at + end - start, what)

    def _place(self, start: int, end: int) -> tuple[bytes | memoryview, int]:
        """A piece with `start:end`, or a copy of that, and where in it they are."""
        pieces, ends = self._held
        index = bisect_right(ends, start)
        if index == len(pieces):
            return b"", 0
        first = ends[index] - len(pieces[index])
        if end <= ends[index]:
            return pieces[index], start - first
        return b"".join(self.parts(start, end)), 0
