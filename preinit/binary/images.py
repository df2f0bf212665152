"""When an engine maps data as an image of a memory: a start takes microseconds then, however much data there is.

wasmtime makes such images of all memories of a module or of none (`try_static_init` in
https://github.com/bytecodealliance/wasmtime/blob/main/crates/environ/src/compile/module_environ.rs). Otherwise each
instance has all of its segments copied when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..tuples import NamedTuple
from .module import Module
from .sections import Mode

#: Data that spans less than this is always mapped, in bytes: `memory_guaranteed_dense_image_size` of wasmtime.
ALWAYS = 16 << 20

#: Pages of common hosts, in bytes: a memory of smaller ones is not mapped.
HOST_PAGE = 4096

#: Most bytes that an image should span: each process that compiles the module writes it once.
LARGEST = 1 << 30

#: A range of a memory that has data: its first byte, and the one after the last.
Place = tuple[int, int]


class Spread(NamedTuple):
    """The data of one memory: where it begins and ends, and how many bytes the segments have together."""

    first: int
    end: int
    data: int

    @property
    def span(self) -> int:
        return self.end - self.first

    @property
    def missing(self) -> int:
        """Bytes that segments would have to have in addition; 0: it can be mapped."""
        if self.span < ALWAYS or self.span < 2 * self.data:
            return 0
        return self.span // 2 + 1 - self.data


def spread_of(places: Iterable[Place]) -> Spread:
    """Of ranges that do not overlap, and of which none is empty; there is at least one."""
    starts, ends = zip(*places, strict=True)
    return Spread(min(starts), max(ends), sum(ends) - sum(starts))


def can_be_mapped(module: Module, memory: int, first_own: int) -> bool:
    """Whether a memory with data is of a kind that engines map. Those before `first_own` are imported."""
    limits = module.memories[memory]
    return memory >= first_own and not limits.shared and limits.page_size >= HOST_PAGE


class Ends(NamedTuple):
    """So many ranges of data at the lower end of a memory, and at the upper one."""

    low: int
    high: int


def without_few(places: Sequence[Place], few: int, most: int) -> tuple[Spread, Ends]:
    """What lacks least of the data once at most `few` ranges, of at most `most` bytes, are left off at its ends, and
    how many those are: as few as that takes.

    `places`: in order; one at least stays.
    """
    data = sum(end - start for start, end in places)
    few = min(few, len(places) - 1)
    found: list[tuple[int, int, Spread, Ends]] = []
    for number in range(few + 1):
        for low in range(number + 1):
            high = number - low
            off = sum(end - start for start, end in (*places[:low], *places[len(places) - high :]))
            if off <= most:
                spread = Spread(places[low][0], places[len(places) - high - 1][1], data - off)
                found.append((spread.missing, number, spread, Ends(low, high)))
    return min(found)[2:]


#: Of any number of segments, so many are a few.
_FEW = 16


def stretching(places: Sequence[Place]) -> tuple[Spread, Place] | None:
    """What alone keeps data from being mapped: what could be, and the range of data beside it, below or above.

    `places`: in order. None where no few segments at an end decide.
    """
    most = min(max(_FEW, len(places) // 100), len(places) - 1)
    first, last = 0, len(places) - 1
    found = []
    for step, end in ((-1, last), (1, first)):
        spread = spread_of(places)
        data = spread.data
        beside = places[end]
        for number in range(most):
            start, stop = place = places[end + step * number]
            beside = min(beside[0], place[0]), max(beside[1], place[1])
            rest = places[end + step * (number + 1)]
            spread = Spread(
                spread.first if step < 0 else rest[0], rest[1] if step < 0 else spread.end, spread.data - (stop - start)
            )
            if not spread.missing:
                found.append((data - spread.data, spread, beside))
                break
    return min(found)[1:] if found else None  # what is less stands in the way of the other


def data_places(module: Module) -> dict[int, list[Place] | None]:
    """Where active segments put data, in order, by memory: each that they name. None where that is not plain to see."""
    found: dict[int, list[Place] | None] = {}
    for mode, memory, _, start, end, offset, _ in module.data_segments:  # tens of thousands
        if mode is not Mode.ACTIVE:
            continue
        places = found.setdefault(memory, [])
        if offset is None:
            found[memory] = None
        elif places is not None and end > start:
            places.append((offset, offset + end - start))
    return {memory: places if places is None else sorted(places) for memory, places in found.items()}


def unmapped(module: Module, places: Mapping[int, list[Place] | None]) -> int | None:
    """The first memory that engines can't map: then they copy the data of all. None: they map all.

    `places`: those of `data_places`. A segment of an imported memory is enough, also one of no bytes.
    """
    for memory, found in sorted(places.items()):
        if not module.imported_memories <= memory < len(module.memories) or found is None:
            return memory
        limits = module.memories[memory]
        if found and (limits.page_size < HOST_PAGE or spread_of(found).missing):
            return memory
        if found and max(end for _, end in found) > limits.minimum * limits.page_size:
            return memory
    return None
