"""Tables: their entries, and how large they must start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..binary.module import Module
from ..errors import Discrepancy, counted
from ..passes.plan.owners import Owners
from ..passes.run.paused import Paused
from .references import Reference, named, worded

Tables = Mapping[int, list[Reference]]


def observe_tables(run: Paused) -> Tables:
    words = worded(run.instance)
    return {i: list(map(words, run.instance.table_values(name))) for i, name in run.instrumented.tables.items()}


def compare_tables(module: Module, before: Tables, after: Tables) -> Iterator[Discrepancy]:
    for index, a in before.items():
        b = after[index]
        if len(a) != len(b):
            yield Discrepancy(
                "table size", f"table {index}", counted(len(a), "entry", "entries"), counted(len(b), "entry", "entries")
            )
        if a == b:
            continue
        for slot, (x, y) in enumerate(zip(a, b, strict=False)):
            if x != y:
                yield Discrepancy("table", f"table {index}, entry {slot}", named(module, x), named(module, y))


def compare_table_sizes(module: Module, output: Module, tables: Tables, owners: Owners) -> Iterator[Discrepancy]:
    """Tables must start as large as they are now; imports that a start function grows, as they were."""
    for index, table in enumerate(output.tables):
        size, asked = len(tables[index]), module.tables[index].limits.minimum
        wanted = {size}
        if index < owners.first_defined:
            # One that did not change may be longer than its import asks for.
            wanted = {asked} if owners.restores(index) else {asked, size}
        if table.limits.minimum not in wanted:
            found = counted(table.limits.minimum, "element")
            yield Discrepancy("table", f"minimum of table {index}", counted(size, "element"), found)
