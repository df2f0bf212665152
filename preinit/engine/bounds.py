"""How much all memories, and all tables, may have together."""

from __future__ import annotations

from collections.abc import Mapping

from ..binary.growth import Bounds
from ..binary.module import Module
from ..binary.sections import ExternKind
from .runtime import TABLE_ELEMENTS


def bounds(module: Module, preloads: Mapping[str, Module], max_memory: int) -> Bounds:
    """Those of a module, on top of what preloaded modules start with. `max_memory` in bytes."""
    return Bounds(max_memory, TABLE_ELEMENTS, *elsewhere(module, preloads))


def elsewhere(module: Module, preloads: Mapping[str, Module]) -> tuple[int, int]:
    """Bytes of memories and elements of tables that preloaded modules start with and don't share with the guest."""
    size = elements = 0
    for name, preload in preloads.items():
        shared = shared_with(module, name, preload)
        for index in range(preload.imported_memories, len(preload.memories)):
            if (ExternKind.MEMORY, index) not in shared:
                size += preload.memories[index].minimum * preload.memories[index].page_size
        for index in range(preload.imported_tables, len(preload.tables)):
            if (ExternKind.TABLE, index) not in shared:
                elements += preload.tables[index].limits.minimum
    return size, elements


def shared_with(module: Module, name: str, preload: Module) -> set[tuple[int, int]]:
    """What the guest imports from a preloaded module: kind, and index there."""
    used = {entry.name for entry in module.imports if entry.module == name}
    return {(export.kind, export.target) for export in preload.exports if export.name in used}
