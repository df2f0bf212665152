"""Tables and reference globals: what an initializer did to them is noticed by comparing before and after."""

from __future__ import annotations

from dataclasses import dataclass

from ..binary.module import Module
from ..binary.types import is_numeric, type_name
from ..engine.ffi import RawValue
from ..engine.guest import Instance, Instrumented
from ..errors import UnsupportedState

_HINT = "Writing changed references back is not supported yet: keep the initializer from changing them."


@dataclass(frozen=True)
class References:
    """The entries of each table, and the value of each reference global, by index."""

    tables: dict[int, list[RawValue]]
    globals: dict[int, RawValue]


def observe_references(module: Module, instrumented: Instrumented, instance: Instance) -> References:
    """What tables and reference globals hold now."""
    return References(
        {index: instance.table_values(name) for index, name in instrumented.tables.items()},
        {
            index: instance.global_value(name, 0)
            for index, name in instrumented.globals.items()
            if not is_numeric(module.globals[index].type)
        },
    )


def check_unchanged(module: Module, before: References, after: References) -> None:
    """Raises `UnsupportedState` where a table or reference global changed, or holds an object with state of its own."""
    for index, entries in after.tables.items():
        earlier = before.tables[index]
        table = f"table {index} of {type_name(module.tables[index].type)}"
        if len(entries) != len(earlier):
            raise UnsupportedState(
                f"the initializer grew {table} from {len(earlier)} to {len(entries)} elements", hint=_HINT
            )
        if entries != earlier:
            slot = next(i for i, (old, new) in enumerate(zip(earlier, entries, strict=True)) if old != new)
            raise UnsupportedState(f"the initializer changed {table}", where=f"element {slot}", hint=_HINT)
        for slot, value in enumerate(entries):
            if value.kind == "object":
                raise _object(table, f"element {slot}")
    for index, value in after.globals.items():
        name = module.names.globals.get(index)
        what = f"global {index}{f' ({name})' if name else ''} of {type_name(module.globals[index].type)}"
        if value != before.globals[index]:
            raise UnsupportedState(f"the initializer changed {what}", hint=_HINT)
        if value.kind == "object":
            raise _object(what, None)


def _object(holder: str, where: str | None) -> UnsupportedState:
    return UnsupportedState(
        f"{holder} holds an object (a struct, array, exception or host reference), whose contents may have changed",
        where=where,
        hint="Objects of the engine's heap can't be written to a module yet.",
    )
