"""Imported memories, tables and globals: kept as imports, or made the module's own.

A kept import starts with what it holds now when whoever instantiates the output passes fresh memories and tables, as
for the input. Globals are different: a mutable one is set by a start function, since its value comes from outside; and
where a constant one has another value than at build time, that function traps.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...binary import encoder as write
from ...binary.constexpr import constant
from ...binary.externs import imported
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind
from ...binary.types import F32, F64, I32, I64
from ..snapshot import Snapshot
from .elements import reference_expression

Pieces = list[bytes | memoryview]

_STATE = (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.GLOBAL)

#: For each type, the instructions that tell two values apart bit by bit: what to do with each, then how to compare.
_DIFFERS = {
    I32: (b"", b"\x47"),
    I64: (b"", b"\x52"),
    F32: (b"\xbc", b"\x47"),  # i32.reinterpret_f32, i32.ne
    F64: (b"\xbd", b"\x52"),  # i64.reinterpret_f64, i64.ne
}
_V128_DIFFERS = b"\xfd\x24\xfd\x53"  # i8x16.ne, v128.any_true


def has_imported_state(module: Module) -> bool:
    return bool(module.imported_memories or module.imported_tables or module.imported_globals)


def import_section(module: Module, snapshot: Snapshot, keep: bool, as_they_were: bool) -> Pieces:
    """The imports, with memories and tables as large as they are now; without `keep`, only functions and tags.

    `as_they_were`: memories and tables need not be larger than for the input.
    """
    entries = []
    counts = dict.fromkeys(ExternKind, 0)
    for entry in module.imports:
        index = counts[entry.kind]
        counts[entry.kind] += 1
        if entry.kind in _STATE and not keep:
            continue
        if entry.memory and not as_they_were:
            pages = snapshot.memories[index].pages
            entry = entry._replace(memory=entry.memory._replace(minimum=pages))
        elif entry.table and index in snapshot.tables and not as_they_were:
            limits = entry.table.limits._replace(minimum=len(snapshot.tables[index]))
            entry = entry._replace(table=entry.table._replace(limits=limits))
        entries.append(write.name(entry.module) + write.name(entry.name) + imported(entry))
    return write.section(SectionId.IMPORT, write.vector(entries)) if entries else []


def start_body(module: Module, snapshot: Snapshot) -> bytes:
    """The instructions of a start function that sets kept imports' globals; none where there is nothing to set."""
    return b"".join(_start_body(module, snapshot))


def _start_body(module: Module, snapshot: Snapshot) -> Iterator[bytes]:
    for index in range(module.imported_globals):
        entry = module.globals[index]
        place = write.uleb(index)
        if index in snapshot.globals:
            value = constant(entry.type, snapshot.globals[index])[:-1]
            if entry.mutable:
                if snapshot.globals[index] != snapshot.globals_before[index]:  # else it is the host's to choose
                    yield value + b"\x24" + place
            elif entry.type in _DIFFERS:
                convert, compare = _DIFFERS[entry.type]
                yield b"\x23" + place + convert + value + convert + compare + b"\x04\x40\x00\x0b"
            else:
                yield b"\x23" + place + value + _V128_DIFFERS + b"\x04\x40\x00\x0b"
        elif entry.mutable and index in snapshot.references:
            yield reference_expression(snapshot.references[index], entry.type)[:-1] + b"\x24" + place
