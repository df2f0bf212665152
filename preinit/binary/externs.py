"""Types of what is imported: https://webassembly.github.io/spec/core/binary/modules.html#import-section ."""

from __future__ import annotations

from . import encoder as write
from .sections import ExternKind, Global, Import, Table
from .types import Limits


def function(type_index: int) -> bytes:
    return bytes((ExternKind.FUNC,)) + write.uleb(type_index)


def table(value: Table) -> bytes:
    return bytes((ExternKind.TABLE,)) + value.type + write.limits(value.limits)


def memory(value: Limits) -> bytes:
    return bytes((ExternKind.MEMORY,)) + write.limits(value)


def global_(value: Global) -> bytes:
    return bytes((ExternKind.GLOBAL,)) + value.type + bytes((value.mutable,))


def tag(type_index: int) -> bytes:
    return bytes((ExternKind.TAG, 0)) + write.uleb(type_index)


def imported(entry: Import, type_index: int | None = None) -> bytes:
    """The type of an import; `type_index` if the type has another index there than in the entry's module."""
    if entry.table:
        return table(entry.table)
    if entry.memory:
        return memory(entry.memory)
    if entry.global_:
        return global_(entry.global_)
    index = entry.type_index if type_index is None else type_index
    return tag(index) if entry.kind == ExternKind.TAG else function(index)
