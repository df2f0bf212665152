"""Where function bodies are: https://webassembly.github.io/spec/core/binary/modules.html#code-section ."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import overload

from ..tuples import NamedTuple
from .cursor import Cursor

#: Functions from which on it counts how much memory one takes.
_MANY_BODIES = 1_000


class Body(NamedTuple):
    """A function body, locals and expression, is `start:end` in the file; its entry, with the size, is `entry:end`."""

    entry: int
    start: int
    end: int


class CodeReferences(NamedTuple):
    """Where code may refer to one of some `functions`: the `places`, in order, of bytes that read as `ref.func` of
    one, whatever they are."""

    functions: frozenset[int]
    places: Sequence[int]


class BodyRanges(Sequence[Body]):
    """The bodies of a code section, in order: of a hundred thousand, few are looked at."""

    def __init__(self, entries: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> None:
        self._entries, self.starts, self.ends = entries, starts, ends

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Body: ...
    @overload
    def __getitem__(self, index: slice) -> BodyRanges: ...
    def __getitem__(self, index: int | slice) -> Body | BodyRanges:
        if isinstance(index, slice):
            return BodyRanges(self._entries[index], self.starts[index], self.ends[index])
        return Body(self._entries[index], self.starts[index], self.ends[index])

    def size(self, index: int) -> int:
        """Bytes of one body."""
        return self.ends[index] - self.starts[index]


def read_bodies(cursor: Cursor) -> BodyRanges:
    """All entries of a code section. Raises `Malformed`."""
    count = cursor.count(2)
    entries, starts, ends = _lists(count)
    data, entry, end = cursor.buffer, cursor.position, cursor.end
    for _ in range(count):  # a hundred thousand in a large module: sizes of two bytes at most are read here
        start = entry + 1
        size = data[entry] if entry < end else 0x80
        if size >= 0x80:
            if start < end and data[start] < 0x80:
                size += (data[start] << 7) - 0x80
                start += 1
            else:
                cursor.position = entry
                size = cursor.u32()
                start = cursor.position
        following = start + size
        if following > end:
            cursor.position = start
            cursor.skip(size)
        entries.append(entry)
        starts.append(start)
        ends.append(following)
        entry = following
    cursor.position = entry
    if cursor.remaining:
        raise cursor.fail(f"{cursor.remaining} bytes are left over")
    return BodyRanges(entries, starts, ends)


def _lists(count: int) -> tuple[MutableSequence[int], MutableSequence[int], MutableSequence[int]]:
    """Three empty lists of so many numbers: of many, in a fifth of the memory that lists of objects take."""
    if count < _MANY_BODIES:
        return [], [], []
    from array import array

    return array("Q"), array("Q"), array("Q")
