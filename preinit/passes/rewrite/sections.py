"""The sections that a snapshot changes, as pieces: memories, globals, exports, elements, data."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import encoder as write
from ...binary.constexpr import constant, offset_constant
from ...binary.module import Module, SectionId
from ...binary.sections import DataSegment, Mode
from ...errors import OutputTooLarge
from ..snapshot import Snapshot
from .elements import reference_expression
from .segments import Run

Pieces = list[bytes | memoryview]


def memory_section(module: Module, snapshot: Snapshot, first: int) -> Pieces:
    """Each memory starts as large as it is now; `first` is the first that the output defines."""
    entries = [
        write.limits(limits._replace(minimum=state.pages))
        for limits, state in list(zip(module.memories, snapshot.memories, strict=True))[first:]
    ]
    return write.section(SectionId.MEMORY, write.vector(entries)) if entries else []


def global_section(module: Module, snapshot: Snapshot, first: int) -> Pieces:
    """Globals that were captured start with their value now; all others keep their initializer."""
    entries = []
    for index, entry in list(enumerate(module.globals))[first:]:
        initializer = entry.initializer.raw if entry.initializer else b""
        if index in snapshot.globals:
            initializer = constant(entry.type, snapshot.globals[index])
        elif index in snapshot.references:
            initializer = reference_expression(snapshot.references[index], entry.type)
        entries.append(entry.type + bytes((entry.mutable,)) + initializer)
    return write.section(SectionId.GLOBAL, write.vector(entries)) if entries else []


def export_section(exports: Sequence[tuple[str, int, int]]) -> Pieces:
    return write.section(SectionId.EXPORT, write.vector([write.export(*entry) for entry in exports]))


def data_section(
    module: Module, snapshot: Snapshot, runs: Sequence[Run], keep_slots: bool, passive: Sequence[Run] = ()
) -> tuple[Pieces, int]:
    """The data section and its number of segments; `passive` runs come last, as passive ones.

    With `keep_slots`, every segment that code can name keeps its index: a passive one its content, or nothing if it
    was dropped; an active one is dropped after instantiation anyway, so its slot holds a run, or nothing.
    Raises `OutputTooLarge` where the section would not fit its 32-bit length.
    """
    todo = iter(runs)
    entries: list[Pieces] = []
    if keep_slots:
        for index, segment in enumerate(module.data_segments):
            if segment.mode is Mode.PASSIVE:
                dropped = index in snapshot.dropped_data
                entries.append([b"\x01\x00"] if dropped else [memoryview(module.data)[segment.raw_start : segment.end]])
            else:
                run = next(todo, None)
                entries.append(_active(module, snapshot, run) if run else [_empty(module, segment)])
    entries.extend(_active(module, snapshot, run) for run in todo)
    for run in passive:
        content = snapshot.memories[run.memory].content[run.start : run.end]
        entries.append([b"\x01" + write.uleb(len(content)), content])
    head = write.uleb(len(entries))
    size = len(head) + sum(len(piece) for pieces in entries for piece in pieces)
    if size > write.LARGEST_SECTION:
        raise OutputTooLarge(
            f"the snapshot's memory takes {size} bytes, a data section has at most {write.LARGEST_SECTION}",
            hint="Initialize less: only memory that is not zero is written.",
        )
    pieces: Pieces = [bytes((SectionId.DATA,)) + write.uleb(size) + head]
    for entry in entries:
        pieces.extend(entry)
    return pieces, len(entries)


def _active(module: Module, snapshot: Snapshot, run: Run) -> Pieces:
    offset = offset_constant(run.start, module.memories[run.memory].is_64)
    flags = b"\x00" if run.memory == 0 else b"\x02" + write.uleb(run.memory)
    content = snapshot.memories[run.memory].content[run.start : run.end]
    return [flags + offset + write.uleb(len(content)), content]


def _empty(module: Module, segment: DataSegment) -> bytes:
    """An active segment of no bytes: needs no bulk-memory, which an empty passive one would."""
    flags = b"\x00" if segment.memory == 0 else b"\x02" + write.uleb(segment.memory)
    return flags + offset_constant(0, module.memories[segment.memory].is_64) + b"\x00"
