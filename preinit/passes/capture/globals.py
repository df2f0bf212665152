"""Globals: the bits of numbers, and references that changed."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.types import is_numeric, type_name
from ...engine.guest import Instance
from ..plan.owners import Owners
from ..run.observed import Observed, numbers
from ..snapshot import GlobalsState, Reference
from .references import check_no_object, reference, same


def capture_globals(
    module: Module, before: Observed, after: Observed, instance: Instance, owners: Owners
) -> GlobalsState:
    """Raises `UnsupportedState` for a reference that can't be written to a module."""
    references: dict[int, Reference] = {}
    for index, value in after.globals.items():
        if is_numeric(module.globals[index].type):
            continue
        name = module.names.globals.get(index)
        what = f"global {index}{f' ({name})' if name else ''} of {type_name(module.globals[index].type)}"
        check_no_object(value, what, None)
        if not same(instance, [before.globals[index]], [value]) or owners.adopts(index):
            references[index] = reference(instance, value, what, None)
    return GlobalsState(numbers(module, after), numbers(module, before), references)
