"""Runs: the parts of memories that segments will hold, of which a build has tens of thousands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby, repeat
from operator import itemgetter, sub

from ...tuples import NamedTuple

#: Most data segments that engines take:
#: https://github.com/WebAssembly/spec/blob/main/document/js-api/index.bs (implementation-defined limits).
MOST_SEGMENTS = 100_000

#: Runs that are kept while a memory is read: the ones that `within_limit` chooses in the end are among them.
KEPT = 2 * MOST_SEGMENTS

_MEMORY = itemgetter(0)


class Run(NamedTuple):
    """Bytes `start:end` of a memory that one segment will hold."""

    memory: int
    start: int
    end: int


class Places:
    """The runs of one memory, in order: where each starts, and where it ends.

    Two lists of numbers: to make tens of thousands of tuples takes longer than to find them. Never changed.
    """

    __slots__ = ("ends", "starts")

    def __init__(self, starts: list[int], ends: list[int]) -> None:
        self.starts = starts
        self.ends = ends

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts, self.ends, strict=True)

    def __getitem__(self, part: slice) -> Places:
        return Places(self.starts[part], self.ends[part])

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(self.ends) - sum(self.starts)

    def gaps(self) -> Iterator[int]:
        """Bytes between each and the next one."""
        following = iter(self.starts)
        next(following, None)
        return map(sub, following, self.ends)

    def without_gaps(self, closed: Iterable[int]) -> Places:
        """The same, but for the gaps at the places `closed` among `gaps`, over which runs are merged."""
        merged = frozenset(closed)
        starts = [start for place, start in enumerate(self.starts, -1) if place not in merged]
        ends = [end for place, end in enumerate(self.ends) if place not in merged]
        return Places(starts, ends)


class Runs:
    """The runs of all memories, in order; each memory that is here has some. Never changed."""

    __slots__ = ("memories",)

    def __init__(self, memories: Mapping[int, Places]) -> None:
        self.memories = {memory: places for memory, places in memories.items() if places}

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Runs:
        """Those, in order."""
        found: dict[int, Places] = {}
        for memory, group in groupby(runs, key=_MEMORY):
            _, starts, ends = map(list, zip(*group, strict=True))
            found[memory] = Places(starts, ends)
        return cls(found)

    def __len__(self) -> int:
        return sum(map(len, self.memories.values()))

    def __iter__(self) -> Iterator[Run]:
        parts = (zip(repeat(memory), places.starts, places.ends) for memory, places in self.memories.items())
        return map(Run._make, chain.from_iterable(parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def of_memory(self, memory: int) -> Places:
        """Those of one memory."""
        return self.memories.get(memory) or Places([], [])


def within_limit(runs: Runs, most: int) -> Runs:
    """At most `most` runs, by merging over the smallest gaps; at least one for each memory that has any."""
    surplus = len(runs) - most
    if surplus <= 0:
        return runs
    gaps = sorted(chain.from_iterable(places.gaps() for places in runs.memories.values()))
    if not gaps:
        return runs
    largest = gaps[min(surplus, len(gaps)) - 1]  # that is merged over
    ties = surplus - sum(gap < largest for gap in gaps)  # so many of that size, the first ones
    merged: dict[int, Places] = {}
    for memory, places in runs.memories.items():
        closed = []
        for place, gap in enumerate(places.gaps()):
            if gap < largest or (gap == largest and ties > 0):
                ties -= gap == largest
                closed.append(place)
        merged[memory] = places.without_gaps(closed)
    return Runs(merged)


def trimmed(runs: Runs) -> Runs:
    """The runs, or `KEPT` of them once there are twice as many: a memory can have one in every 30 bytes."""
    return within_limit(runs, KEPT) if len(runs) >= 2 * KEPT else runs
