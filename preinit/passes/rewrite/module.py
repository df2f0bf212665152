"""The output: the original's sections in their order, the changed ones in place, custom sections where they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...binary import encoder as write
from ...binary.module import Module, Section, SectionId
from ...binary.sections import Mode
from ...errors import OutputTooLarge
from ...options import Layout
from ..snapshot import Snapshot
from . import customs, elements, functions, imports, restore
from . import sections as build
from .segments import MOST_SEGMENTS, Run, runs_of_memory, trimmed, within_limit

Pieces = list[bytes | memoryview]

_PLACE = {number: place for place, number in enumerate(write.SECTION_ORDER)}


@dataclass(frozen=True)
class Plan:
    """What to write besides the snapshot.

    `exports`: name, kind and index of each export of the output. `keep_slots`: data segments keep their indices.
    `declared`: functions to declare in an element segment of their own. `keep_imports`: imported memories, tables and
    globals stay imports; else they become the output's own. `restore`: a start function fills imported memories and
    tables, whatever they hold. `noops`: functions to append that do nothing, which
    `exports` may name.
    """

    exports: tuple[tuple[str, int, int], ...]
    layout: Layout
    keep_slots: bool = False
    declared: tuple[int, ...] = ()
    keep_imports: bool = True
    restore: bool = False
    noops: tuple[functions.NoOp, ...] = ()


@dataclass(frozen=True, eq=False)
class Rewritten:
    """The output, and the runs of memory that its data segments hold."""

    wasm: bytes
    runs: tuple[Run, ...]
    segments: int


def variants(module: Module, snapshot: Snapshot, plan: Plan) -> Iterator[Plan]:
    """The ways to write the output, best first: the first that validates is right.

    Whether code names a data segment, or takes a reference to a function that an export declared, only a look at all
    code could tell; the validation that every build does anyway tells it too.
    """
    nameable = bool(module.data_segments) and module.section(SectionId.DATA_COUNT) is not None
    slots: tuple[bool, ...] = (False, True) if nameable else (False,)
    if snapshot.dropped_data or (plan.restore and nameable):
        # Code that dropped some names them by their index; and beside segments that a start function names, the
        # validation would not notice that code names others.
        slots = (True,)
    lost = elements.lost_declarations(module, snapshot, plan.exports, plan.keep_imports)
    for declared in ((), lost) if lost else ((),):
        for keep_slots in slots:
            yield replace(plan, keep_slots=keep_slots, declared=declared)


def memory_runs(module: Module, snapshot: Snapshot, layout: Layout) -> list[Run]:
    """The parts of all memories that the data segments will hold."""
    runs: list[Run] = []
    for index, state in enumerate(snapshot.memories):
        runs += runs_of_memory(state.content, index, module.memories[index].is_64, layout, state.touched)
        runs = trimmed(runs)
    return runs


def write_module(module: Module, snapshot: Snapshot, plan: Plan, runs: Sequence[Run]) -> Rewritten:
    """Writes the output; `runs` are those of `memory_runs`. The code section is copied byte for byte.

    Raises `OutputTooLarge`.
    """
    retained = 0
    if plan.keep_slots:
        retained = sum(segment.mode is Mode.PASSIVE for segment in module.data_segments)
    runs = within_limit(runs, MOST_SEGMENTS - retained)
    filled = [run for run in runs if plan.restore and run.memory < module.imported_memories]
    if len(runs) + retained > MOST_SEGMENTS:
        raise OutputTooLarge(
            f"the module's {retained} passive data segments leave no room for the snapshot's memory",
            hint=f"Engines take {MOST_SEGMENTS} data segments in all: use fewer passive ones.",
        )
    active = [run for run in runs if not (plan.restore and run.memory < module.imported_memories)]
    data, segments = build.data_section(module, snapshot, active, plan.keep_slots, filled)
    changed: dict[int, Pieces] = {SectionId.START: [], SectionId.DATA_COUNT: []}
    changed[SectionId.DATA] = data if segments else []
    defines = not plan.keep_imports
    if module.memories:
        changed[SectionId.MEMORY] = build.memory_section(module, snapshot, 0 if defines else module.imported_memories)
    if snapshot.tables or (defines and module.imported_tables):
        changed[SectionId.TABLE] = elements.table_section(module, snapshot, 0 if defines else module.imported_tables)
    if snapshot.globals or snapshot.references:
        changed[SectionId.GLOBAL] = build.global_section(module, snapshot, 0 if defines else module.imported_globals)
    if imports.has_imported_state(module):
        changed[SectionId.IMPORT] = imports.import_section(module, snapshot, plan.keep_imports, plan.restore)
    if module.section(SectionId.EXPORT) or plan.exports:
        changed[SectionId.EXPORT] = build.export_section(plan.exports)
    placed: list[elements.Placed] = []
    if plan.declared or snapshot.tables or snapshot.dropped_elements:
        restored = module.imported_tables if plan.restore else 0
        entries, placed = elements.element_entries(module, snapshot, plan.declared, restored)
        changed[SectionId.ELEMENT] = elements.element_section(entries) if entries else []
    start = imports.start_body(module, snapshot) if plan.keep_imports else b""
    if plan.restore:
        numbered = list(zip(filled, range(segments - len(filled), segments), strict=True))
        for index in range(module.imported_memories):
            own = [entry for entry in numbered if entry[0].memory == index]
            start += restore.restore_memory(index, module.memories[index], snapshot.memories[index].pages, own)
        for index in range(module.imported_tables):
            parts = [part for part in placed if part.table == index]
            content = snapshot.tables[index]
            start += restore.restore_table(index, module.tables[index], content, parts)
    changed.update(functions.function_sections(module, plan.noops, start, restore.LOCALS))
    if filled or (plan.keep_slots and module.section(SectionId.DATA_COUNT)):
        changed[SectionId.DATA_COUNT] = write.section(SectionId.DATA_COUNT, write.uleb(segments))
    return Rewritten(write.assemble(_in_order(module, changed, plan)), tuple(runs), segments)


def _in_order(module: Module, changed: dict[int, Pieces], plan: Plan) -> Iterator[Pieces]:
    """The sections of the output in order; a new one comes right after the last that must stand before it."""
    present = [section.id for section in module.sections if section.id != SectionId.CUSTOM]
    new = sorted((number for number in changed if number not in present), key=_PLACE.__getitem__)
    after: dict[int | None, list[int]] = {}
    for number in new:
        before = [p for p in present if _PLACE[p] < _PLACE[number]]
        after.setdefault(before[-1] if before else None, []).append(number)
    for number in after.get(None, []):
        yield changed[number]
    for section in module.sections:
        if section.id == SectionId.CUSTOM:
            yield _custom(module, section, plan)
            continue
        yield changed.get(section.id, [memoryview(module.data)[section.header : section.end]])
        for number in after.get(section.id, []):
            yield changed[number]
    if not module.custom("producers"):
        yield write.custom_section("producers", customs.producers(module))


def _custom(module: Module, section: Section, plan: Plan) -> Pieces:
    if section.title.startswith(customs.DROPPED_PREFIX):
        return []
    if section == module.custom("name"):
        return customs.names(module, section, lambda index: _kept(module, plan, index))
    if section == module.custom("producers"):
        return write.custom_section("producers", customs.producers(module))
    if section == module.custom("target_features"):
        needed = ["bulk-memory", "reference-types"] if plan.declared or plan.restore else []
        return write.custom_section("target_features", customs.target_features(module, section, needed))
    return [memoryview(module.data)[section.header : section.end]]


def _kept(module: Module, plan: Plan, index: int) -> bool:
    """Whether the data segment is still the one that had this index."""
    segments: Sequence[object] = module.data_segments
    return plan.keep_slots and index < len(segments) and module.data_segments[index].mode is Mode.PASSIVE
