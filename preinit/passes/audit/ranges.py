"""Ranges of bytes in which two memories differ, found at the speed of memcmp where they don't."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import pairwise

from ..snapshot import MemoryState

Range = tuple[int, int]

#: Memories are compared in blocks of so many bytes.
_GRAIN = 1 << 16
#: Places that are no farther apart than this become one.
NEAR = 16
#: Ranges of one memory: beyond, those that are closest to each other are merged.
MOST_RANGES = 1000

_EQUAL = re.compile(rb"\0{%d,}+" % (NEAR + 1))
_DIFFERS = re.compile(rb"[^\0]")


def differing_ranges(first: MemoryState, other: MemoryState) -> list[Range]:
    """Where the two differ, as far as both reach. Nothing is copied but a block at a time."""
    size = min(len(first.content), len(other.content))
    found: list[Range] = []
    for low, high in _touched(first, other, size):
        for at in range(low, high, _GRAIN):
            end = min(at + _GRAIN, high)
            a, b = first.content[at:end].tobytes(), other.content[at:end].tobytes()
            if a == b:
                continue
            for start, stop in _in_block(a, b):
                if found and at + start - found[-1][1] <= NEAR:
                    found[-1] = (found[-1][0], at + stop)
                else:
                    found.append((at + start, at + stop))
    return _at_most(found, MOST_RANGES)


def _touched(first: MemoryState, other: MemoryState, size: int) -> list[Range]:
    """Ranges outside of which both are zero."""
    if first.touched is None or other.touched is None:
        return [(0, size)]
    found: list[Range] = []
    for start, end in sorted([*first.touched, *other.touched]):
        end = min(end, size)
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return found


def _in_block(a: bytes, b: bytes) -> Iterator[Range]:
    mask = (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")
    first = _DIFFERS.search(mask)
    assert first is not None
    start, end = first.start(), len(mask.rstrip(b"\0"))
    for gap in _EQUAL.finditer(mask, start, end):
        yield start, gap.start()
        start = gap.end()
    yield start, end


def _at_most(found: Sequence[Range], most: int) -> list[Range]:
    gaps = ((after[0] - before[1], number) for number, (before, after) in enumerate(pairwise(found), 1))
    merged = {number for _, number in nsmallest(max(0, len(found) - most), gaps)}
    result: list[Range] = []
    for number, (start, end) in enumerate(found):
        if number in merged:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def by_cause(ranges: Mapping[str, Sequence[Range]]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start and end of each part, and all causes that have it in a range. The ranges of one cause don't overlap."""
    changes: dict[int, list[tuple[str, bool]]] = {}
    for cause, of_one in ranges.items():
        for start, end in of_one:
            changes.setdefault(start, []).append((cause, True))
            changes.setdefault(end, []).append((cause, False))
    active: set[str] = set()
    before = 0
    for place in sorted(changes):
        if active:
            yield before, place, tuple(cause for cause in ranges if cause in active)
        for cause, begins in sorted(changes[place], key=lambda change: change[1]):
            (active.add if begins else active.discard)(cause)
        before = place
