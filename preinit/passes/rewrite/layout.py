"""Cutting memories into data segments.

A run of zeros between two parts of a memory is left out where a new segment costs less than the zeros. What a segment
costs: its header, exactly, and a price that the layout sets, since every segment also slows instantiation down and
compresses badly. `scripts/layout_table` measures prices on real modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ...binary.encoder import sleb_size, uleb_size
from ...binary.types import Limits
from ...options import Layout
from ...tuples import NamedTuple
from .runs import KEPT, Places, Runs, trimmed

#: Memories of fewer bytes are cut in Python before the engine has compiled what does it faster.
LARGE = 4 << 20

#: Bytes that a segment costs in addition to its header. Wizer leaves out gaps of more than 4 bytes, which costs more
#: than it saves for the shortest.
PRICES: dict[Layout, int] = {"balanced": 16, "size": 0, "wizer": 4, "gzip": 256, "few": 4096, "start": 16}

#: The same where zeros are as many as those that were kept last: equal structures in a row, which compress to nothing
#: as long as no header comes between them. With it, most outputs of SpiderMonkey are no
#: larger than wizer's, with gzip and without.
IN_A_ROW: dict[Layout, int] = {"wizer": 8}

#: Zeros are skipped at this grain before anything looks at single bytes, at the speed of memcmp.
_GRAIN = 1 << 16
_ZEROS = bytes(_GRAIN)

#: Flags, opcode of the constant, one byte of offset, `end`, one byte of length: no header is shorter.
_SHORTEST_HEADER = 5

#: Bytes of a LEB128 of a number, by how many bits that has; of a signed one, the number itself or its complement.
_ULEB = tuple(uleb_size((1 << bits) - 1) for bits in range(65))
_SLEB = tuple(sleb_size((1 << bits) - 1) for bits in range(65))

_NON_ZERO = re.compile(rb"[^\0]")
_SPAN = re.Match.span


class Costs(NamedTuple):
    """When zeros between two parts of a memory are left out; all in bytes.

    `gap`: fewer never are. A segment costs its header and a `price`, or `in_a_row` where the zeros are as many as those
    that were kept last. `fixed`: of a header, all but the offset and the length.
    """

    gap: int
    price: int
    in_a_row: int
    fixed: int


def header_size(memory: int, start: int, size: int, is_64: bool) -> int:
    """Bytes of an active segment before its content: flags, memory index, offset expression, length."""
    signed = start - (1 << 32) if not is_64 and start >> 31 else start
    return (1 if memory == 0 else 1 + uleb_size(memory)) + 1 + sleb_size(signed) + 1 + uleb_size(size)


def runs_of_memory(
    content: memoryview,
    memory: int,
    is_64: bool,
    layout: Layout,
    touched: Sequence[tuple[int, int]] | None = None,
) -> Places:
    """The parts of one memory to write as segments, in order; everything outside of them is zero.

    `touched`: ranges outside of which all is known to be zero, so that nothing there is read: in order, and further
    apart than zeros that are never left out.

    Time is linear in the size of the memory; the content is not copied.
    """
    price = PRICES[layout]
    fixed = header_size(memory, 0, 0, is_64) - 2  # but for the offset and the length
    costs = Costs(_SHORTEST_HEADER + price + 1, price, IN_A_ROW.get(layout, price), fixed)
    ranges = [(0, len(content))] if touched is None else touched
    if sum(end - start for start, end in ranges) >= LARGE:
        found = _cut(content, is_64, costs, ranges)
        if found is not None:
            return found
    return in_python(content, is_64, costs, ranges)


def _cut(content: memoryview, is_64: bool, costs: Costs, ranges: Sequence[tuple[int, int]]) -> Places | None:
    """The same, found by compiled code; None where that can't be had, or where they are too many for it."""
    from ...engine.own.cutter import new_cutter

    cutter = new_cutter(is_64)
    if cutter is None:
        return None
    try:
        found = cutter.cut(content, ranges, costs, KEPT)
    finally:
        cutter.close()
    return None if found is None else Places(*found)


def get_ready(memories: Iterable[Limits]) -> None:
    """Compiles what cuts large memories, if one of those is: while something else takes time."""
    if any(memory.minimum * memory.page_size >= LARGE for memory in memories):
        from ...engine.own.cutter import get_ready

        get_ready()


def in_python(content: memoryview, is_64: bool, costs: Costs, ranges: Sequence[tuple[int, int]]) -> Places:
    """The same for any memory. Compiled code does just this: tests hold the two against each other."""
    least, price, in_a_row, fixed = costs
    gap = re.compile(rb"\0" * least + rb"\0*+")
    numbers = 20 if is_64 else 10  # bytes of offset and length, at most
    wide = fixed + numbers + max(in_a_row, price)  # more zeros always pay
    sign = 1 << (63 if is_64 else 31)
    starts: list[int] = []
    ends: list[int] = []
    parts = _parts(content, gap, ranges)
    start, end = next(parts, (0, 0))  # of the run that may still grow
    kept = -1  # zeros that it kept last
    for part_start, part_end in parts:  # tens of thousands: what `header_size` does, inline
        zeros = part_start - end
        if zeros <= wide:
            signed = part_start if part_start < sign else 2 * sign - 1 - part_start
            split = fixed + _SLEB[signed.bit_length()] + _ULEB[(part_end - part_start).bit_length()]
            merged = zeros + _ULEB[(part_end - start).bit_length()] - _ULEB[(end - start).bit_length()]
            if merged <= split + (in_a_row if zeros == kept else price):
                end, kept = part_end, zeros
                continue
        starts.append(start)
        ends.append(end)
        start, end, kept = part_start, part_end, -1
        if len(starts) >= 2 * KEPT:
            few = trimmed(Runs({0: Places(starts, ends)})).of_memory(0)
            starts, ends = few.starts, few.ends
    if end:
        starts.append(start)
        ends.append(end)
    return Places(starts, ends)


def _parts(content: memoryview, gap: re.Pattern[bytes], ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Maximal ranges without a gap, that start and end with a byte that is not zero."""
    for low, high in _extents(content, ranges):
        first = _NON_ZERO.search(content, low, high)
        assert first is not None
        start = first.start()
        for end, following in map(_SPAN, gap.finditer(content, start, high)):
            yield start, end
            start = following
        if start < high:
            yield start, _last_non_zero(content, start, high)


def _last_non_zero(content: memoryview, start: int, high: int) -> int:
    """Where the zeros at the end of `start:high` begin: fewer than a gap, or they would have been one."""
    while high > start and content[high - 1] == 0:
        high -= 1
    return high


def _extents(content: memoryview, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges outside of which everything is zero, each with some byte that is not, cut at multiples of the grain."""
    for start, end in ranges:
        low = -1
        for at in range(start, end, _GRAIN):
            block = content[at : min(at + _GRAIN, end)]
            if block.tobytes() == (_ZEROS if len(block) == _GRAIN else _ZEROS[: len(block)]):
                if low >= 0:
                    yield low, at
                    low = -1
            elif low < 0:
                low = at
        if low >= 0:
            yield low, end
