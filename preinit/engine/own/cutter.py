"""Cutting large memories into data segments.

It does what `passes.rewrite` says in Python, in a quarter of the time; and other threads run meanwhile. To compile it
takes 3 ms. The memory is not the module's: parts of it are copied into a window, one by one, which takes less time than
to read them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import cast

from ...binary import large
from .module import OwnInstance, OwnModule

#: Where things are in the module's memory, see cutter.wat.
WINDOW = 1 << 20
_STARTS, _ENDS, _SEGMENTS = 1 << 20, 3 << 20, 5 << 20

#: A segment has no more bytes than this besides what it holds: those that `head` may have, offset and length.
_HEADER = 32

_MODULE = OwnModule("cutter")
_EXPORTS = ("begin", "cut", "end", "begin_writing", "write")

get_ready = _MODULE.get_ready


def new_cutter(is_64: bool) -> Cutter | None:
    """For a memory of 64-bit addresses, or 32-bit ones. None where it can't be had."""
    instance = _MODULE.instance(_EXPORTS)
    return Cutter(instance, is_64) if instance else None


class Cutter:
    """Cuts one memory at a time; `close` frees what it has."""

    def __init__(self, instance: OwnInstance, is_64: bool) -> None:
        self._own = instance
        self._sign = 1 << (63 if is_64 else 31)

    def close(self) -> None:
        """Frees its memory."""
        self._own.close()

    def cut(
        self, content: memoryview, ranges: Iterable[tuple[int, int]], costs: Sequence[int], most: int
    ) -> tuple[list[int], list[int]] | None:
        """Where the runs of a memory start, and where they end: what becomes a segment each.

        `ranges`: in order, and further apart than zeros that are never left out; outside of them all is zero. `costs`,
        in bytes: how many zeros may be left out; the price of a segment besides its header; the same where zeros are as
        many as those that were kept last; what a header has but for the offset and the length. None where there are
        more than `most`.
        """
        self._own.call("begin", *costs, self._sign)
        starts: list[int] = []
        ends: list[int] = []
        for base, part in _windows(content, ranges):
            size = -(-len(part) // 8) * 8
            if size != len(part):
                self._own.memory[size - 8 : size] = bytes(8)
            self._own.memory[: len(part)] = part
            self._take(self._own.call("cut", base, size), starts, ends)
            if len(starts) > most:
                return None
        self._take(self._own.call("end"), starts, ends)
        return (starts, ends) if len(starts) <= most else None

    def _take(self, count: int, starts: list[int], ends: list[int]) -> None:
        starts += self._own.memory[_STARTS : _STARTS + 8 * count].cast("q").tolist()
        ends += self._own.memory[_ENDS : _ENDS + 8 * count].cast("q").tolist()

    def segments(self, content: memoryview, starts: Sequence[int], ends: Sequence[int], head: bytes) -> list[bytes]:
        """The active segments of those runs, one behind the other, in some pieces.

        `starts`, `ends`: in order, at most 262,144. `head`: what each has before the number of its offset, at most 8
        bytes.
        """
        if not starts:
            return []
        count, written = len(starts), 0
        made = large.new(sum(ends) - sum(starts) + count * _HEADER)
        for place, numbers in ((_STARTS, starts), (_ENDS, ends)):
            self._own.memory[place : place + 8 * count] = memoryview(array("q", numbers)).cast("B")
        self._own.call("begin_writing", count, int.from_bytes(head, "little"), len(head), self._sign)
        at = starts[0]
        while at < ends[-1]:
            base = at // WINDOW * WINDOW
            part = content[base : base + WINDOW]
            self._own.memory[: len(part)] = part
            size = self._own.call("write", base, len(part))
            made[written : written + size] = self._own.memory[_SEGMENTS : _SEGMENTS + size]
            written += size
            at = base + WINDOW
            following = bisect_right(ends, at)  # the first run that has something behind the window
            if following < count:
                at = max(at, starts[following])
        return [cast(bytes, made) if large.shrink(made, written) else made[:written]]


def _windows(content: memoryview, ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, memoryview]]:
    """Parts of a memory that fit into the window, and where they start."""
    for start, end in ranges:
        for base in range(start, end, WINDOW):
            yield base, content[base : min(base + WINDOW, end)]
