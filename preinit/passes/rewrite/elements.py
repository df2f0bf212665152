"""Tables and element segments: https://webassembly.github.io/spec/core/binary/modules.html#element-section .

A table that the initializer left alone keeps its entry and its segments. One that changed starts at its size now; its
active segments are emptied in place, since code may name their indices, and what it holds comes in new ones at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.module import Module, SectionId
from ...binary.sections import ElementSegment, ExternKind, Mode, Table
from ...binary.types import FUNCREF, ValType, is_nullable
from ...errors import OutputTooLarge
from ..snapshot import I31, Reference, Snapshot
from .segments import MOST_SEGMENTS

Pieces = list[bytes | memoryview]

_EXPLICIT, _EXPRESSIONS = 2, 4


class Placed(NamedTuple):
    """A passive element segment, and where in a table its `length` elements belong."""

    table: int
    start: int
    length: int
    segment: int


def heap_type(reference_type: ValType) -> bytes:
    """`ht` of `(ref ht)`, `(ref null ht)` and of the abbreviations such as funcref."""
    return reference_type[1:] if reference_type[0] in (0x63, 0x64) else reference_type


def reference_expression(reference: Reference, reference_type: ValType) -> bytes:
    """The constant expression of a reference."""
    if reference is None:
        return b"\xd0" + heap_type(reference_type) + b"\x0b"
    if isinstance(reference, I31):
        return b"\x41" + write.sleb(reference.value) + b"\xfb\x1c\x0b"
    return b"\xd2" + write.uleb(reference) + b"\x0b"


def fill_of(table: Table, entries: Sequence[Reference]) -> Reference:
    """What most entries are: a table of a type without null needs a value for all before segments are applied."""
    if is_nullable(table.type) or not entries:
        return None
    return Counter(entries).most_common(1)[0][0]


def table_section(module: Module, snapshot: Snapshot, first: int) -> Pieces:
    """Changed tables start with their size now; `first` is the first that the output defines."""
    entries = []
    for index, table in list(enumerate(module.tables))[first:]:
        limits, initializer = table.limits, table.initializer.raw if table.initializer else None
        content = snapshot.tables.get(index)
        if content is not None:
            limits = limits._replace(minimum=len(content))
            fill = fill_of(table, content)
            if is_nullable(table.type):
                initializer = None
            elif fill is not None:
                initializer = reference_expression(fill, table.type)
        head = b"" if initializer is None else b"\x40\x00"
        entries.append(head + table.type + write.limits(limits) + (initializer or b""))
    return write.section(SectionId.TABLE, write.vector(entries)) if entries else []


def _runs(entries: Sequence[Reference], fill: Reference) -> Iterator[tuple[int, Sequence[Reference]]]:
    """Start and content of each maximal part that differs from what the table is filled with."""
    at = 0
    for same, group in groupby(entries, lambda entry: entry == fill):
        length = len(list(group))
        if not same:
            yield at, entries[at : at + length]
        at += length


def _active(index: int, table: Table, start: int, entries: Sequence[Reference]) -> bytes:
    offset = offset_constant(start, table.limits.is_64)
    functions = [entry for entry in entries if isinstance(entry, int)]
    if table.type == FUNCREF and len(functions) == len(entries):
        # Function indices: shorter than expressions, and no newer than the table itself.
        content = write.vector([write.uleb(function) for function in functions])
        return (b"\x00" + offset if index == 0 else b"\x02" + write.uleb(index) + offset + b"\x00") + content
    content = write.vector([reference_expression(entry, table.type) for entry in entries])
    return b"\x06" + write.uleb(index) + offset + table.type + content


def _emptied(module: Module, segment: ElementSegment) -> bytes:
    """The same form of segment with nothing in it."""
    flags = segment.flags
    kind = b""
    if flags & 3:
        kind = segment.type if flags & _EXPRESSIONS else b"\x00"
    place = b""
    if segment.mode is Mode.ACTIVE:
        table = write.uleb(segment.table) if flags & _EXPLICIT else b""
        place = table + offset_constant(0, module.tables[segment.table].limits.is_64)
    return bytes((flags,)) + place + kind + b"\x00"


def element_entries(
    module: Module, snapshot: Snapshot, declared: Sequence[int], restored: int
) -> tuple[list[bytes | memoryview], list[Placed]]:
    """The entries of the element section; tables below index `restored` are filled by a start function, from passive
    segments, which are told where they belong. Raises `OutputTooLarge` over the engines' limit.
    """
    raw = memoryview(module.data)
    entries: list[bytes | memoryview] = []
    for number, segment in enumerate(module.elements):
        gone = segment.table in snapshot.tables if segment.mode is Mode.ACTIVE else number in snapshot.dropped_elements
        entries.append(_emptied(module, segment) if gone else raw[segment.raw[0] : segment.raw[1]])
    parts = {
        index: list(_runs(content, fill_of(module.tables[index], content)))
        for index, content in snapshot.tables.items()
    }
    if len(entries) + sum(map(len, parts.values())) + 1 > MOST_SEGMENTS:
        parts = {index: [(0, content)] for index, content in snapshot.tables.items()}  # holes as references too
    placed: list[Placed] = []
    for index, runs in parts.items():
        table = module.tables[index]
        for start, content in runs:
            if index < restored:
                placed.append(Placed(index, start, len(content), len(entries)))
                expressions = [reference_expression(entry, table.type) for entry in content]
                entries.append(b"\x05" + table.type + write.vector(expressions))
            else:
                entries.append(_active(index, table, start, content))
    if declared:
        entries.append(b"\x03\x00" + write.vector([write.uleb(function) for function in declared]))
    if len(entries) > MOST_SEGMENTS:
        raise OutputTooLarge(f"the output would have {len(entries)} element segments, engines take {MOST_SEGMENTS}")
    return entries, placed


def element_section(entries: Sequence[bytes | memoryview]) -> Pieces:
    payload = [write.uleb(len(entries)), *entries]
    return [bytes((SectionId.ELEMENT,)) + write.uleb(sum(map(len, payload))), *payload]


def lost_declarations(
    module: Module, snapshot: Snapshot, exports: Sequence[tuple[str, int, int]], keep_imports: bool
) -> tuple[int, ...]:
    """Functions that something declared (for `ref.func` in code) which the output no longer has."""
    kept = {index for _, kind, index in exports if kind == ExternKind.FUNC}
    for number, segment in enumerate(module.elements):
        if segment.table not in snapshot.tables and number not in snapshot.dropped_elements:
            kept.update(segment.functions)
    for index, entry in enumerate(module.globals):
        if entry.initializer and index not in snapshot.references:
            kept.update(entry.initializer.functions)
    for index, table in enumerate(module.tables):
        if table.initializer and index not in snapshot.tables:
            kept.update(table.initializer.functions)
    # A kept import's value is set by code, which declares nothing.
    first = module.imported_globals if keep_imports else 0
    own = [value for index, value in snapshot.references.items() if index >= first]
    for value in (*own, *(entry for content in snapshot.tables.values() for entry in content)):
        if isinstance(value, int):
            kept.add(value)
    return tuple(index for index in module.references if index not in kept)
