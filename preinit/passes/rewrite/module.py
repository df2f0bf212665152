"""The output: the original's sections in their order, the changed ones in place, custom sections where they were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ...binary import encoder as write
from ...binary.assembler import END
from ...binary.digest import sha256
from ...binary.module import Module, Section, SectionId
from ...binary.rope import Rope
from ...engine.runtime import Pending
from ...tuples import NamedTuple
from ..snapshot import Snapshot
from . import customs, functions, globals, imports, memories, segments, tables
from .images import Images
from .plan import Plan, SegmentsPlan
from .runs import Runs
from .segments import kept_data_segments

_PLACE = {number: place for place, number in enumerate(write.SECTION_ORDER)}


class Rewritten(NamedTuple):
    """What is written, and the runs of memory that it holds: in data segments, but for those that `images` has stored.

    `added`: the index of the first function that was appended and does something, and bytes of each of them. `hashing`:
    its SHA-256, in hex, where that is under way. `images`: what was done for images of memory.
    """

    written: Rope
    runs: Runs
    segments: int
    added: tuple[int, tuple[int, ...]] = (0, ())
    hashing: Pending[str] | None = None
    images: Images = Images()

    @property
    def wasm(self) -> bytes:
        """The output in one."""
        return self.written.joined()

    def held(self, memory: int) -> tuple[int, int]:
        """How many data segments hold a part of that memory, and bytes of it that the output holds."""
        found = self.runs.of_memory(memory)
        stored = sum(run.memory == memory for run in self.images.stored)
        return len(found) - stored, found.size

    @property
    def sha256(self) -> str:
        """Of the output, in hex."""
        return self.hashing.result() if self.hashing else sha256(*self.written.pieces).hex()


def variants(module: Module, snapshot: Snapshot, plan: Plan) -> Iterator[Plan]:
    """The ways to write the output, best first: the first that validates is right.

    Whether code names a data segment, or takes a reference to a function that an export declared, only a look at all
    code could tell; the validation that every build does anyway tells it too.
    """
    nameable = bool(module.data_segments) and module.section(SectionId.DATA_COUNT) is not None
    slots: tuple[bool, ...] = (False, True) if nameable else (False,)
    if snapshot.segments.dropped_data or (_restores(plan) and nameable):
        # Code that dropped some names them by their index; and where a start function names segments, too, the
        # validation would not notice that code names others.
        slots = (True,)
    lost = segments.lost_declarations(module, snapshot, plan)
    for declared in ((), lost) if lost else ((),):
        for keep_slots in slots:
            yield plan._replace(segments=SegmentsPlan(keep_slots), tables=plan.tables._replace(declared=declared))


def _restores(plan: Plan) -> bool:
    """Whether a start function may fill memories and tables."""
    return plan.memories.owners.imports == "restore"


def write_module(module: Module, snapshot: Snapshot, plan: Plan, runs: Runs) -> Rewritten:
    """Writes the output; `runs` are those of `memory_runs`. The code section is copied byte for byte.

    Raises `OutputTooLarge`.
    """
    data = segments.write_data(module, snapshot, plan, runs)
    changed: dict[int, write.Pieces] = {SectionId.START: [], SectionId.DATA_COUNT: [], SectionId.DATA: data.pieces}
    if module.memories:
        changed[SectionId.MEMORY] = memories.memory_section(module, snapshot.memories, plan.memories.owners)
    if snapshot.tables.changed or plan.tables.owners.first_defined < module.imported_tables:
        changed[SectionId.TABLE] = tables.table_section(module, snapshot.tables, plan.tables.owners)
    if snapshot.globals.numbers or snapshot.globals.references or plan.globals.added:
        changed[SectionId.GLOBAL] = globals.global_section(module, snapshot.globals, plan.globals)
    if imports.has_imported_state(module):
        changed[SectionId.IMPORT] = imports.import_section(module, snapshot, plan)
    if module.section(SectionId.EXPORT) or plan.exports:
        entries = [write.export(*entry) for entry in plan.exports]
        changed[SectionId.EXPORT] = write.section(SectionId.EXPORT, write.vector(entries))
    placed: list[tuple[tables.TableRun, int]] = []
    if plan.tables.declared or snapshot.tables.changed or snapshot.segments.dropped_elements:
        changed[SectionId.ELEMENT], placed = segments.write_elements(module, snapshot, plan)
    start = memories.stores(module, snapshot.memories, data.images.stored)
    start += globals.set_globals(module, snapshot.globals, plan.globals.owners)
    start += memories.restore_memories(module, snapshot.memories, plan.memories, data.restored)
    start += tables.restore_tables(module, snapshot.tables, plan.tables.owners, placed)
    changed.update(
        functions.function_sections(module, plan.noops, plan.added, plan.frames.types, start, memories.LOCALS)
    )
    if data.restored or (plan.segments.keep_slots and module.section(SectionId.DATA_COUNT)):
        changed[SectionId.DATA_COUNT] = write.section(SectionId.DATA_COUNT, write.uleb(data.segments))
    sizes = tuple(len(one.locals) + len(one.body) + len(END) for one in plan.added)
    added = (len(module.function_types) + len(plan.noops), sizes)
    written = Rope(chain([write.PREAMBLE], *_in_order(module, changed, plan)))
    return Rewritten(written, data.runs, data.segments, added, images=data.images)


def _in_order(module: Module, changed: dict[int, write.Pieces], plan: Plan) -> Iterator[write.Pieces]:
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
    yield from plan.customs


def _custom(module: Module, section: Section, plan: Plan) -> write.Pieces:
    if section.title.startswith(customs.DROPPED_PREFIX) or section.title in plan.replaced:
        return []
    if section == module.custom("name"):
        return customs.names(module, section, kept_data_segments(module, plan), plan.frames.names)
    if section == module.custom("producers"):
        return write.custom_section("producers", customs.producers(module))
    if section == module.custom("target_features"):
        needed = ["bulk-memory", "reference-types"] if plan.tables.declared or _restores(plan) else []
        return write.custom_section("target_features", customs.target_features(module, section, needed))
    return [memoryview(module.data)[section.header : section.end]]
