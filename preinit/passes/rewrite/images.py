"""What a data section is made like so that engines map it as an image of memory. See `binary.images`.

Two things help: zeros between the parts of a memory, and leaving out a few words far below or above the rest, which a
start function stores instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...binary.encoder import uleb_size
from ...binary.images import LARGEST, Spread, can_be_mapped, without_few
from ...binary.module import Module, SectionId
from ...options import Layout
from ...tuples import NamedTuple
from .layout import header_size
from .plan import Plan
from .runs import Places, Run, Runs

#: Of the output's bytes, how many hundredths the zeros may take with each layout that does something for images.
MOST_HUNDREDTHS: dict[Layout, int | None] = {"balanced": 2, "start": None}

#: Of the output's bytes, hundredths that zeros may take before anything is stored instead: they ask nothing of a host.
_FEW_HUNDREDTHS = 2

#: Of each memory, the most parts that are stored, and the most bytes of them. Each touches a page, for a microsecond.
MOST_STORED, MOST_STORED_BYTES = 16, 256


class Images(NamedTuple):
    """What was done for images. By memory: bytes of zeros that were added, and those that an image would need and are
    not there. `stored`: parts that are in no segment, and that a start function stores; in order."""

    added: Mapping[int, int] = MappingProxyType({})
    missing: Mapping[int, int] = MappingProxyType({})
    stored: tuple[Run, ...] = ()

    def of(self, memory: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """Zeros added to a memory's data, those missing, and where something is stored: from, and up to."""
        stored = tuple((run.start, run.end) for run in self.stored if run.memory == memory)
        return self.added.get(memory, 0), self.missing.get(memory, 0), stored


class _Way(NamedTuple):
    """How memories can be mapped: the runs that stay data, by memory, those that are stored, and the zeros to add."""

    runs: Mapping[int, Places]
    stored: tuple[Run, ...]
    missing: Mapping[int, int]
    span: int

    @property
    def zeros(self) -> int:
        return sum(self.missing.values())

    def fits(self, most: int | None) -> bool:
        """Whether it can be done with at most so many zeros."""
        return self.span <= LARGEST and (most is None or self.zeros <= most)


def mapped(module: Module, plan: Plan, runs: Runs) -> tuple[Runs, Images]:
    """The runs to write as active segments: with the zeros that images need, without what is stored, as far as the
    layout allows that.
    """
    if not all(can_be_mapped(module, memory, plan.memories.owners.first_defined) for memory in runs.memories):
        return runs, Images()
    plain = _plain(runs.memories)
    if not plain.missing:
        return runs, Images()
    way = _chosen(module, plan, plain, runs)
    if way is None:
        return runs, Images(missing=plain.missing)
    filled = dict(way.runs)
    for memory, zeros in way.missing.items():
        filled[memory] = _filled(filled[memory], zeros)
    return Runs(filled), Images(way.missing, stored=way.stored)


def _chosen(module: Module, plan: Plan, plain: _Way, runs: Runs) -> _Way | None:
    """The way to take, if any: with zeros alone, or with stores, where these save half of many zeros."""
    layout = plan.memories.layout
    if layout not in MOST_HUNDREDTHS:
        return None
    size = _size(module, runs)
    if plain.fits(size * _FEW_HUNDREDTHS // 100):
        return plain
    hundredths = MOST_HUNDREDTHS[layout]
    most = None if hundredths is None else size * hundredths // 100
    if _may_store(module, plan):
        fewer = _without_few(plain)
        if fewer.fits(most) and fewer.zeros * 2 <= plain.zeros:
            return fewer
    return plain if plain.fits(most) else None


def _may_store(module: Module, plan: Plan) -> bool:
    """Whether a start function may be added: one that stores moves no code that something else has the offset of."""
    bodies = len(module.bodies) + len(plan.noops) + len(plan.added)
    return (
        plan.memories.stores
        and uleb_size(bodies + 1) == uleb_size(bodies)  # offsets of DWARF: the count stands before all code
        and module.custom("sourceMappingURL") is None  # offsets in the file: a start section stands before it, too
    )


def _plain(by_memory: Mapping[int, Places]) -> _Way:
    spreads = {memory: _spread(found) for memory, found in by_memory.items()}
    missing = {memory: spread.missing for memory, spread in spreads.items() if spread.missing}
    return _Way(by_memory, (), missing, max((spread.span for spread in spreads.values()), default=0))


def _spread(places: Places) -> Spread:
    return Spread(places.starts[0], places.ends[-1], places.size)


def _without_few(plain: _Way) -> _Way:
    """The same without a few words far from the rest, where they decide."""
    kept, stored = dict(plain.runs), list[Run]()
    for memory in plain.missing:
        places = kept[memory]
        _, (low, high) = without_few([*places], MOST_STORED, MOST_STORED_BYTES)
        end = len(places) - high
        stored += (Run(memory, *place) for place in (*places[:low], *places[end:]))
        kept[memory] = places[low:end]
    return _plain(kept)._replace(stored=tuple(stored))


def _size(module: Module, runs: Runs) -> int:
    """Bytes of an output with such segments, nearly."""
    data = module.section(SectionId.DATA)
    rest = len(module.data) - (data.end - data.header if data else 0)
    headers = (
        header_size(run.memory, run.start, run.end - run.start, module.memories[run.memory].is_64) for run in runs
    )
    return rest + sum(run.end - run.start for run in runs) + sum(headers)


def _filled(places: Places, zeros: int) -> Places:
    """Those of one memory with so many zeros more: the smallest gaps are closed, for the fewest segments."""
    closed: list[int] = []
    ends = places.ends
    for gap, place in sorted((gap, place) for place, gap in enumerate(places.gaps())):
        if gap > zeros:
            if zeros:  # only some of this one: as many as are needed
                ends = [*ends]
                ends[place] += zeros
            break
        closed.append(place)
        zeros -= gap
    return Places(places.starts, ends).without_gaps(closed)
