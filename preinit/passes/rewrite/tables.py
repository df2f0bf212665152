"""Tables: what each starts with, as element segments, and filling imported ones.

https://webassembly.github.io/spec/core/binary/modules.html#table-section . A table that the initializer left alone
keeps its entry and its segments. One that changed starts at its size now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.module import Module, SectionId
from ...binary.sections import Table
from ...binary.types import FUNCREF, is_nullable
from ...tuples import NamedTuple
from ..plan.owners import Owners
from ..snapshot import Reference, TablesState
from .growing import grow_to
from .references import reference_expression, reference_value


class TableRun(NamedTuple):
    """Entries of a table from index `start` on, that one element segment will hold."""

    table: int
    start: int
    entries: Sequence[Reference]


def fill_of(table: Table, entries: Sequence[Reference]) -> Reference:
    """What most entries are: a table of a type without null needs a value for all before segments are applied."""
    if is_nullable(table.type) or not entries:
        return None
    return Counter(entries).most_common(1)[0][0]


def table_section(module: Module, state: TablesState, owners: Owners) -> write.Pieces:
    """Changed tables that the output defines start with their size now."""
    entries = []
    for index, table in list(enumerate(module.tables))[owners.first_defined :]:
        limits, initializer = table.limits, table.initializer.raw if table.initializer else None
        content = state.changed.get(index)
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


def imported_table(table: Table, index: int, state: TablesState, owners: Owners) -> Table:
    """What the output asks for of an import: as large as it is now, unless a start function grows it."""
    if owners.restores(index) or index not in state.changed:
        return table
    return table._replace(limits=table.limits._replace(minimum=len(state.changed[index])))


def table_runs(module: Module, state: TablesState) -> list[TableRun]:
    """The parts of changed tables that element segments will hold: what they are filled with is left out."""
    return [
        TableRun(index, start, entries)
        for index, content in state.changed.items()
        for start, entries in _runs(content, fill_of(module.tables[index], content))
    ]


def whole_tables(state: TablesState) -> list[TableRun]:
    """The same in few segments: one for each table."""
    return [TableRun(index, 0, content) for index, content in state.changed.items()]


def _runs(entries: Sequence[Reference], fill: Reference) -> Iterator[tuple[int, Sequence[Reference]]]:
    """Start and content of each maximal part that differs from what the table is filled with."""
    at = 0
    for same, group in groupby(entries, lambda entry: entry == fill):
        length = len(list(group))
        if not same:
            yield at, entries[at : at + length]
        at += length


def active_entry(table: Table, run: TableRun) -> bytes:
    """The element segment that puts a run where it belongs."""
    offset = offset_constant(run.start, table.limits.is_64)
    functions = [entry for entry in run.entries if isinstance(entry, int)]
    if table.type == FUNCREF and len(functions) == len(run.entries):
        # Function indices: shorter than expressions, and no newer than the table itself.
        content = write.vector([write.uleb(function) for function in functions])
        head = b"\x00" + offset if run.table == 0 else b"\x02" + write.uleb(run.table) + offset + b"\x00"
        return head + content
    return b"\x06" + write.uleb(run.table) + offset + table.type + _expressions(table, run)


def passive_entry(table: Table, run: TableRun) -> bytes:
    return b"\x05" + table.type + _expressions(table, run)


def _expressions(table: Table, run: TableRun) -> bytes:
    return write.vector([reference_expression(entry, table.type) for entry in run.entries])


def restore_tables(module: Module, state: TablesState, owners: Owners, placed: Sequence[tuple[TableRun, int]]) -> bytes:
    """Instructions that restore imported tables; `placed`: runs, and the passive segment that holds each."""
    return b"".join(
        _restore_table(index, table, state.changed[index], [entry for entry in placed if entry[0].table == index])
        for index, table in enumerate(module.tables)
        if owners.restores(index)
    )


def _restore_table(
    index: int, table: Table, content: Sequence[Reference], placed: Sequence[tuple[TableRun, int]]
) -> bytes:
    if not content and not is_nullable(table.type):
        return b""  # nothing to put into it
    ops = code.address_ops(table.limits.is_64)
    fill, size = reference_value(fill_of(table, content), table.type), code.table_size(index)
    body = grow_to(size, code.table_grow(index), fill, len(content), table.limits.is_64)
    body += ops.const(0) + fill + size + code.table_fill(index)
    for run, segment in placed:
        body += ops.const(run.start) + code.i32_const(0) + code.i32_const(len(run.entries))
        body += code.table_init(segment, index) + code.elem_drop(segment)
    return body
