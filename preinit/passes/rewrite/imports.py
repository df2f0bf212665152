"""Imports: functions and tags as they are; memories, tables and globals if they stay imports.

A kept import starts with what it holds now when whoever instantiates the output passes fresh memories and tables, as
for the input.
"""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.externs import imported
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind
from ..snapshot import Snapshot
from .memories import imported_limits
from .plan import Plan
from .tables import imported_table


def has_imported_state(module: Module) -> bool:
    return bool(module.imported_memories or module.imported_tables or module.imported_globals)


def import_section(module: Module, snapshot: Snapshot, plan: Plan) -> write.Pieces:
    entries = []
    owners = {
        ExternKind.MEMORY: plan.memories.owners,
        ExternKind.TABLE: plan.tables.owners,
        ExternKind.GLOBAL: plan.globals.owners,
    }
    counts = dict.fromkeys(ExternKind, 0)
    for entry in module.imports:
        index = counts[entry.kind]
        counts[entry.kind] += 1
        if entry.kind in owners and owners[entry.kind].adopts(index):
            continue
        if entry.memory:
            limits = imported_limits(entry.memory, index, snapshot.memories, plan.memories.owners)
            entry = entry._replace(memory=limits)
        elif entry.table:
            entry = entry._replace(table=imported_table(entry.table, index, snapshot.tables, plan.tables.owners))
        entries.append(write.name(entry.module) + write.name(entry.name) + imported(entry))
    return write.section(SectionId.IMPORT, write.vector(entries)) if entries else []
