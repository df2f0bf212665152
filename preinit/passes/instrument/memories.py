"""Memories: each is exported; active data segments are left to the host."""

from __future__ import annotations

from collections.abc import Mapping

from ...binary import encoder as write
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind, Mode
from ...engine.guest import ActiveData
from .additions import Additions


def export_memories(add: Additions) -> dict[int, str]:
    """Index of each memory -> its export."""
    return {index: add.export(ExternKind.MEMORY, index, "memory") for index in range(len(add.module.memories))}


def active_data(module: Module, memories: Mapping[int, str]) -> list[ActiveData] | None:
    """What the host writes in place of active segments; None where an offset isn't a plain constant.

    The engine makes a program of all active data segments and compiles that, which takes longer.
    """
    found = []
    wide = {index: module.memories[index].is_64 for index in memories}
    new, kind, active = tuple.__new__, ActiveData, Mode.ACTIVE  # tens of thousands: the usual way takes twice as long
    for mode, memory, _, start, end, offset, is_64 in module.data_segments:
        if mode is not active:
            continue
        if offset is None or memory not in wide:
            return None
        if is_64 != wide[memory]:
            return None  # not valid, and the engine says so
        found.append(new(kind, (memories[memory], offset, start, end)))
    return found


def without_active_data(module: Module) -> write.Pieces:
    """The data section, all active segments dropped, as they are once a module is instantiated."""
    view = memoryview(module.data)
    entries = [
        b"\x01\0" if segment.mode is Mode.ACTIVE else view[segment.raw_start : segment.end]
        for segment in module.data_segments
    ]
    return write.section(SectionId.DATA, write.uleb(len(entries)) + b"".join(entries))
