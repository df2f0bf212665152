"""Zeros that a data section is given, so that engines map it as an image of memory. See `binary.images`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from types import MappingProxyType

from ...binary.images import LARGEST, Spread, can_be_mapped
from ...binary.module import Module, SectionId
from ...options import Layout
from ...tuples import NamedTuple
from .layout import Run, header_size
from .plan import MemoriesPlan

#: Of the output's bytes, how many hundredths the zeros may take with each layout that adds some.
MOST_HUNDREDTHS: dict[Layout, int | None] = {"balanced": 2, "start": None}

_MEMORY, _START, _END = map(itemgetter, range(3))  # of a run


class Zeros(NamedTuple):
    """By memory: bytes of zeros that were added for an image, and those that an image would need and are not there."""

    added: Mapping[int, int] = MappingProxyType({})
    missing: Mapping[int, int] = MappingProxyType({})


def mapped(module: Module, plan: MemoriesPlan, runs: Sequence[Run]) -> tuple[list[Run], Zeros]:
    """The runs of active segments, with as many zeros as an image needs where the layout allows that many.

    `runs`: in order; each has some bytes.
    """
    by_memory = {memory: list(found) for memory, found in groupby(runs, key=_MEMORY)}  # tens of thousands of runs
    if not all(can_be_mapped(module, memory, plan.owners.first_defined) for memory in by_memory):
        return list(runs), Zeros()
    spreads = {memory: _spread(found) for memory, found in by_memory.items()}
    missing = {memory: spread.missing for memory, spread in spreads.items() if spread.missing}
    if not missing:
        return list(runs), Zeros()
    if not _pays(module, plan.layout, runs, spreads, sum(missing.values())):
        return list(runs), Zeros(missing=missing)
    for memory, zeros in missing.items():
        by_memory[memory] = _filled(by_memory[memory], zeros)
    return [run for found in by_memory.values() for run in found], Zeros(added=missing)


def _spread(runs: Sequence[Run]) -> Spread:
    """That of runs of one memory, in order."""
    return Spread(runs[0].start, runs[-1].end, sum(map(_END, runs)) - sum(map(_START, runs)))


def _pays(module: Module, layout: Layout, runs: Sequence[Run], spreads: Mapping[int, Spread], zeros: int) -> bool:
    if layout not in MOST_HUNDREDTHS or max(spread.span for spread in spreads.values()) > LARGEST:
        return False
    most = MOST_HUNDREDTHS[layout]
    if most is None:
        return True
    data = module.section(SectionId.DATA)
    rest = len(module.data) - (data.end - data.header if data else 0)
    headers = (
        header_size(run.memory, run.start, run.end - run.start, module.memories[run.memory].is_64) for run in runs
    )
    return zeros * 100 <= (rest + sum(run.end - run.start for run in runs) + sum(headers)) * most


def _filled(runs: list[Run], zeros: int) -> list[Run]:
    """Runs of one memory with so many zeros more: the smallest gaps are closed, for the fewest segments."""
    gaps = sorted((b.start - a.end, place) for place, (a, b) in enumerate(pairwise(runs)))
    closed: set[int] = set()
    part = -1
    for gap, place in gaps:
        if gap > zeros:
            part = place  # only some of this one: as many as are needed
            break
        closed.add(place)
        zeros -= gap
    result: list[Run] = []
    joined = False
    for place, run in enumerate(runs):
        start = result.pop().start if joined else run.start
        result.append(Run(run.memory, start, run.end + (zeros if place == part else 0)))
        joined = place in closed
    return result
