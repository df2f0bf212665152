"""Tables and reference globals: what an initializer did to them is noticed by comparing before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...binary.module import Module
from ...binary.types import is_numeric, type_name
from ...engine.guest import Instance, Instrumented
from ...engine.values import RawValue
from ...errors import UnsupportedState
from ..snapshot import I31, Reference
from .globals import capture_globals


class References(NamedTuple):
    """The entries of each table, the value of each reference global, the bits of each numeric one, by index.

    `tables` has nothing as long as nothing could change a table.
    """

    tables: dict[int, list[RawValue]]
    globals: dict[int, RawValue]
    numbers: dict[int, bytes]


def observe_references(module: Module, instrumented: Instrumented, instance: Instance) -> References:
    """What tables and globals hold before the guest runs. Tables are read when something is about to change one."""
    tables: dict[int, list[RawValue]] = {}

    def look() -> None:
        tables.update(_tables(instrumented, instance))

    if any(_depends_on_globals(module, index) for index in range(len(module.tables))):
        look()  # one of them is captured even if nothing changes it
    else:
        instance.before_tables_change(look)
    return _observed(module, instrumented, instance, tables)


def observe_again(module: Module, instrumented: Instrumented, instance: Instance, before: References) -> References:
    """What tables and globals hold now; of tables, those of which it is known what they held `before`."""
    return _observed(module, instrumented, instance, _tables(instrumented, instance) if before.tables else {})


def _tables(instrumented: Instrumented, instance: Instance) -> dict[int, list[RawValue]]:
    return {index: instance.table_values(name) for index, name in instrumented.tables.items()}


def _observed(
    module: Module, instrumented: Instrumented, instance: Instance, tables: dict[int, list[RawValue]]
) -> References:
    references = {
        index: instance.global_value(name, 0)
        for index, name in instrumented.globals.items()
        if not is_numeric(module.globals[index].type)
    }
    return References(tables, references, capture_globals(module, instrumented, instance))


def capture_tables(
    module: Module, before: References, after: References, instance: Instance, imported: bool
) -> dict[int, tuple[Reference, ...]]:
    """All entries of each table that changed, depends on globals, or is `imported`. Raises `UnsupportedState`."""
    captured = {}
    for index, entries in after.tables.items():
        table = f"table {index} of {type_name(module.tables[index].type)}"
        wanted = _depends_on_globals(module, index) or (imported and index < module.imported_tables)
        if not wanted and _same(instance, before.tables[index], entries):
            for slot, value in enumerate(entries):
                _check_no_object(value, table, f"element {slot}")
            continue
        captured[index] = tuple(
            _reference(instance, value, table, f"element {slot}") for slot, value in enumerate(entries)
        )
    return captured


def _depends_on_globals(module: Module, index: int) -> bool:
    """Whether what a table starts with depends on imported globals, whose values were given at build time."""
    initializer = module.tables[index].initializer
    return bool(initializer and initializer.globals) or any(
        segment.table == index and segment.uses_globals for segment in module.elements
    )


def capture_reference_globals(
    module: Module, before: References, after: References, instance: Instance, imported: bool
) -> dict[int, Reference]:
    """The value of each reference global that changed or is `imported`, by its index. Raises `UnsupportedState`."""
    captured = {}
    for index, value in after.globals.items():
        name = module.names.globals.get(index)
        what = f"global {index}{f' ({name})' if name else ''} of {type_name(module.globals[index].type)}"
        _check_no_object(value, what, None)
        if not _same(instance, [before.globals[index]], [value]) or (imported and index < module.imported_globals):
            captured[index] = _reference(instance, value, what, None)
    return captured


def _same(instance: Instance, before: Sequence[RawValue], after: Sequence[RawValue]) -> bool:
    """Whether these are the same references: a function may be seen under several pointers."""
    return before == after or (
        len(before) == len(after) and all(_names_same(instance, *pair) for pair in zip(before, after, strict=True))
    )


def _names_same(instance: Instance, before: RawValue, after: RawValue) -> bool:
    if before == after or before.kind != "func" or after.kind != "func":
        return before == after
    function = instance.resolve_function(before.bits)
    return function is not None and function == instance.resolve_function(after.bits)


def _reference(instance: Instance, value: RawValue, holder: str, where: str | None) -> Reference:
    if value.kind == "null":
        return None
    if value.kind == "i31":
        return I31(int.from_bytes(value.bits, "little", signed=True))
    _check_no_object(value, holder, where)
    function = instance.resolve_function(value.bits)
    if function is None:
        raise UnsupportedState(
            f"{holder} holds a function of another module",
            where=where,
            hint="Only the module's own functions and imports can be named in it: clear that entry in the initializer.",
        )
    return function


def _check_no_object(value: RawValue, holder: str, where: str | None) -> None:
    if value.kind == "object":
        raise UnsupportedState(
            f"{holder} holds an object (a struct, array, exception or host reference), whose contents may have changed",
            where=where,
            hint="Objects of the engine's heap can't be written to a module yet.",
        )
