"""What tables and globals hold at one moment: a snapshot is made of what differs before and after the initializer."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.types import NUMERIC_SIZES, is_numeric
from ...engine.guest import Instance
from ...engine.values import RawValue
from ...tuples import NamedTuple
from ..instrument import Instrumented


class Observed(NamedTuple):
    """The value of each global that is read, the entries of each table, by index.

    `tables` has nothing as long as nothing could change a table.
    """

    globals: dict[int, RawValue]
    tables: dict[int, list[RawValue]]


def observe_before(module: Module, instrumented: Instrumented, instance: Instance) -> Observed:
    """Before the guest runs. Tables are read when something is about to change one: there are large ones."""
    tables: dict[int, list[RawValue]] = {}

    def look() -> None:
        tables.update(_tables(instrumented, instance))

    if any(depends_on_globals(module, index) for index in range(len(module.tables))):
        look()  # one of them is captured even if nothing changes it
    else:
        instance.before_tables_change(look)
    return Observed(observe_globals(module, instrumented, instance), tables)


def observe_after(module: Module, instrumented: Instrumented, instance: Instance, before: Observed) -> Observed:
    """Now; of tables, those of which it is known what they held `before`."""
    return Observed(
        observe_globals(module, instrumented, instance), _tables(instrumented, instance) if before.tables else {}
    )


def depends_on_globals(module: Module, index: int) -> bool:
    """Whether what a table starts with depends on imported globals, whose values were given at build time."""
    initializer = module.tables[index].initializer
    return bool(initializer and initializer.globals) or any(
        segment.table == index and segment.uses_globals for segment in module.elements
    )


def observe_globals(module: Module, instrumented: Instrumented, instance: Instance) -> dict[int, RawValue]:
    """The value of each global that is read, by index."""
    return {
        index: instance.global_value(name, NUMERIC_SIZES.get(module.globals[index].type, 0))
        for index, name in instrumented.globals.items()
    }


def _tables(instrumented: Instrumented, instance: Instance) -> dict[int, list[RawValue]]:
    return {index: instance.table_values(name) for index, name in instrumented.tables.items()}


def numbers(module: Module, observed: Observed) -> dict[int, bytes]:
    """The raw little-endian bytes of the globals of a numeric type."""
    return {i: value.bits for i, value in observed.globals.items() if is_numeric(module.globals[i].type)}
