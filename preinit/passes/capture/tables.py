"""Tables: the entries of those that changed, which is noticed by comparing before and after."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.types import type_name
from ...engine.guest import Instance
from ..plan.owners import Owners
from ..run.observed import Observed, depends_on_globals
from ..snapshot import Reference, TablesState
from .references import check_no_object, reference, same


def capture_tables(
    module: Module, before: Observed, after: Observed, instance: Instance, owners: Owners
) -> TablesState:
    """Raises `UnsupportedState` for an entry that can't be written to a module."""
    changed: dict[int, tuple[Reference, ...]] = {}
    for index, entries in after.tables.items():
        table = f"table {index} of {type_name(module.tables[index].type)}"
        wanted = depends_on_globals(module, index) or owners.adopts(index) or owners.restores(index)
        if not wanted and same(instance, before.tables[index], entries):
            for slot, value in enumerate(entries):
                check_no_object(value, table, f"element {slot}")
            continue
        changed[index] = tuple(
            reference(instance, value, table, f"element {slot}") for slot, value in enumerate(entries)
        )
    return TablesState(changed)
