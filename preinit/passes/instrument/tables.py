"""Tables: each is exported; one more holds every function that a reference can name."""

from __future__ import annotations

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.sections import ExternKind
from ...binary.types import FUNCREF, Limits, is_numeric
from .additions import Additions


def export_tables(add: Additions) -> dict[int, str]:
    """Index of each table -> its export."""
    return {index: add.export(ExternKind.TABLE, index, "table") for index in range(len(add.module.tables))}


def add_candidates(add: Additions) -> str | None:
    """A table that holds every function that a reference can name: who reads it knows each by its identity.

    Its export; None where no reference is held anywhere.
    """
    module = add.module
    holds_references = module.tables or any(g.mutable and not is_numeric(g.type) for g in module.globals)
    if not module.references or not holds_references:
        return None
    table = len(module.tables) + len(add.tables)
    size = len(module.references)
    add.tables.append(FUNCREF + write.limits(Limits(size, size)))
    functions = write.vector([write.uleb(index) for index in module.references])
    add.elements.append(b"\x02" + write.uleb(table) + code.i32_const(0) + code.END + b"\x00" + functions)
    return add.export(ExternKind.TABLE, table, "candidates")
