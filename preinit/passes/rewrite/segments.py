"""Data and element segments: those of the input that code can name, and those that hold the snapshot.

https://webassembly.github.io/spec/core/binary/modules.html#data-section and #element-section . An active segment is
dropped once a module is instantiated, so its slot may hold anything; a passive one keeps its content, or has none if it
was dropped. Element segments of changed tables are emptied in place, since code may name their indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.module import Module, SectionId
from ...binary.sections import DataSegment, ElementSegment, ExternKind, Mode, without_elements
from ...engine.validation import MERGE
from ...errors import OutputTooLarge
from ...tuples import NamedTuple
from ..snapshot import SegmentsState, Snapshot
from . import memories, tables
from .images import Images, mapped
from .plan import Export, Plan
from .runs import MOST_SEGMENTS, Run, Runs, within_limit
from .tables import TableRun


class DataWritten(NamedTuple):
    """The data section and its number of segments; `runs` that the output holds; of restored memories, with their
    passive segments; what was done for images of memory."""

    pieces: write.Pieces
    segments: int
    runs: Runs
    restored: list[tuple[Run, int]]
    images: Images


def write_data(module: Module, snapshot: Snapshot, plan: Plan, runs: Runs) -> DataWritten:
    """The data section that holds `runs`. Raises `OutputTooLarge` past the limits of engines and of the format."""
    active, restored = _within_slots(module, plan, runs)
    active, images = mapped(module, plan, active)
    slots = module.data_segments if plan.segments.keep_slots else ()
    number = len(active)
    if not slots:
        entries = memories.active_pieces(module, snapshot.memories, active)
    else:
        entries = memories.active_entries(module, snapshot.memories, active)  # two for each
        passive = sum(segment.mode is Mode.PASSIVE for segment in slots)
        number = max(number, len(slots) - passive) + passive
        entries = [*chain.from_iterable(_in_slots(module, snapshot, plan, entries))]
    placed = list(zip(restored, range(number, number + len(restored)), strict=True))
    for run in restored:
        entries += memories.passive_entry(snapshot.memories, run)
    number += len(restored)
    head = write.uleb(number)
    size = len(head) + sum(map(len, entries))
    if size > write.LARGEST_SECTION:
        raise OutputTooLarge(
            f"the snapshot's memory takes {size} bytes, a data section has at most {write.LARGEST_SECTION}",
            hint="Initialize less: only memory that is not zero is written.",
        )
    head = bytes((SectionId.DATA,)) + write.uleb(size) + head
    pieces: write.Pieces = memories.kept([head, *entries]) if number else []
    held = Runs.of(sorted([*active, *restored, *images.stored])) if restored or images.stored else active
    return DataWritten(pieces, number, held, placed, images)


def _in_slots(module: Module, snapshot: Snapshot, plan: Plan, active: write.Pieces) -> Iterator[write.Pieces]:
    """The segments in the slots of the module's own, and the rest after them. `active`: two pieces for each."""
    empty = {index: _empty(module, index, plan) for index in range(len(module.memories))}
    done = 0
    for index, segment in enumerate(module.data_segments):
        if segment.mode is Mode.PASSIVE:
            yield _kept(module, snapshot.segments, index, segment)
        else:
            yield active[done : done + 2] or empty[segment.memory]
            done += 2
    yield active[done:]


def _within_slots(module: Module, plan: Plan, runs: Runs) -> tuple[Runs, Runs]:
    """The runs, merged until engines take all segments: the active ones, and those of restored memories."""
    slots = module.data_segments if plan.segments.keep_slots else ()
    passive = sum(segment.mode is Mode.PASSIVE for segment in slots)
    most = MOST_SEGMENTS - passive
    restores = {memory: plan.memories.owners.restores(memory) for memory in range(len(module.memories))}
    while True:
        kept = within_limit(runs, most)
        restored, active = (
            Runs({memory: places for memory, places in kept.memories.items() if restores[memory] is wanted})
            for wanted in (True, False)
        )
        # Active runs take the slots of active segments first; those that are left are written, too.
        surplus = max(len(active), len(slots) - passive) + len(restored) + passive - MOST_SEGMENTS
        if surplus <= 0:
            return active, restored
        if len(kept) <= len(kept.memories):  # nothing is left to be merged
            raise OutputTooLarge(
                f"the module's {len(slots):,} data segments leave no room for the snapshot's memory",
                hint=f"Engines take {MOST_SEGMENTS:,} data segments in all. {MERGE}",
            )
        most = len(kept) - surplus


def _kept(module: Module, state: SegmentsState, index: int, segment: DataSegment) -> write.Pieces:
    """A passive segment: its content, or nothing if it was dropped."""
    if index in state.dropped_data:
        return [b"\x01\x00"]
    return [memoryview(module.data)[segment.raw_start : segment.end]]


def _empty(module: Module, memory: int, plan: Plan) -> write.Pieces:
    """An active segment of no bytes: needs no bulk-memory, which an empty passive one would.

    Of a memory that the output defines, if there is one: one of an imported memory would keep engines from mapping any.
    """
    first = plan.memories.owners.first_defined
    memory = first if memory < first < len(module.memories) else memory
    return [memories.active_head(memory) + offset_constant(0, module.memories[memory].is_64) + b"\x00"]


def kept_data_segments(module: Module, plan: Plan) -> frozenset[int]:
    """The data segments that are still the ones that had their indices."""
    if not plan.segments.keep_slots:
        return frozenset()
    return frozenset(index for index, one in enumerate(module.data_segments) if one.mode is Mode.PASSIVE)


# -- element segments --------------------------------------------------------------------------------------------------


def write_elements(module: Module, snapshot: Snapshot, plan: Plan) -> tuple[write.Pieces, list[tuple[TableRun, int]]]:
    """The element section, and runs of restored tables with their passive segments.

    Raises `OutputTooLarge` over the engines' limit.
    """
    raw = memoryview(module.data)
    entries: list[bytes | memoryview] = []
    for index, segment in enumerate(module.elements):
        gone = _is_emptied(snapshot, index, segment)
        entries.append(_emptied(module, segment) if gone else raw[segment.raw[0] : segment.raw[1]])
    runs = tables.table_runs(module, snapshot.tables)
    if len(entries) + len(runs) + 1 > MOST_SEGMENTS:
        runs = tables.whole_tables(snapshot.tables)  # holes as references too
    placed: list[tuple[TableRun, int]] = []
    for run in runs:
        table = module.tables[run.table]
        if plan.tables.owners.restores(run.table):
            placed.append((run, len(entries)))
            entries.append(tables.passive_entry(table, run))
        else:
            entries.append(tables.active_entry(table, run))
    if plan.tables.declared:
        declared = [write.uleb(function) for function in plan.tables.declared]
        entries.append(b"\x03\x00" + write.vector(declared))
    if len(entries) > MOST_SEGMENTS:
        raise OutputTooLarge(
            f"the output would have {len(entries):,} element segments, engines take {MOST_SEGMENTS:,}",
            hint="Have the initializer change fewer places of tables, or build the module with fewer element segments.",
        )
    payload = [write.uleb(len(entries)), *entries]
    head = bytes((SectionId.ELEMENT,)) + write.uleb(sum(map(len, payload)))
    return [head, *payload] if entries else [], placed


def _is_emptied(snapshot: Snapshot, index: int, segment: ElementSegment) -> bool:
    if segment.mode is Mode.ACTIVE:
        return segment.table in snapshot.tables.changed
    return index in snapshot.segments.dropped_elements


def _emptied(module: Module, segment: ElementSegment) -> bytes:
    active = segment.mode is Mode.ACTIVE
    return without_elements(segment, offset_constant(0, module.tables[segment.table].limits.is_64) if active else b"")


def lost_declarations(module: Module, snapshot: Snapshot, plan: Plan) -> tuple[int, ...]:
    """Functions that something declared (for `ref.func` in code) which the output no longer has."""
    changed, references = snapshot.tables.changed, snapshot.globals.references
    lost, kept = _exported(module.exports), _exported(plan.exports)
    kept_segments = []  # with tens of thousands of functions: only looked through where some may be lost
    for index, segment in enumerate(module.elements):
        if segment.table not in changed and index not in snapshot.segments.dropped_elements:
            kept_segments.append(segment)
        else:
            lost.update(segment.functions)
    for index, entry in enumerate(module.globals):
        if entry.initializer:
            (lost if index in references else kept).update(entry.initializer.functions)
    for index, table in enumerate(module.tables):
        if table.initializer:
            (lost if index in changed else kept).update(table.initializer.functions)
    # A kept import's value is set by code, which declares nothing.
    own = [value for index, value in references.items() if index >= plan.globals.owners.first_defined]
    for value in (*own, *(entry for content in changed.values() for entry in content)):
        if isinstance(value, int):
            kept.add(value)
    lost -= kept
    for segment in kept_segments:
        if lost:
            lost.difference_update(segment.functions)
    return tuple(sorted(lost))


def _exported(exports: Sequence[Export]) -> set[int]:
    """The functions among exports."""
    return {index for _, kind, index in exports if kind == ExternKind.FUNC}
