"""Who owns the memories, tables and globals of the output: decided once, for each kind of state."""

from __future__ import annotations

from ...binary.module import Module
from ...options import Imports
from ...tuples import NamedTuple


class Owners(NamedTuple):
    """Of one kind: the first `imported` of the input come from outside. `imports`: what becomes of those in the output.

    "keep": they stay imports, and come fresh; "restore": they stay imports, and a start function fills them, whatever
    they hold; "define": the output adopts them, and defines them itself.
    """

    imported: int
    imports: Imports

    @property
    def first_defined(self) -> int:
        """The index of the first that the output defines itself."""
        return 0 if self.imports == "define" else self.imported

    def adopts(self, index: int) -> bool:
        """Whether it was an import, and is the output's own."""
        return self.imports == "define" and index < self.imported

    def restores(self, index: int) -> bool:
        """Whether it stays an import that a start function fills."""
        return self.imports == "restore" and index < self.imported


class Ownership(NamedTuple):
    """The owners of each kind of state."""

    memories: Owners
    tables: Owners
    globals: Owners


def ownership(module: Module, imports: Imports) -> Ownership:
    """`imports`: the option. Globals are the same for "keep" and "restore": a start function sets mutable ones."""
    return Ownership(
        Owners(module.imported_memories, imports),
        Owners(module.imported_tables, imports),
        Owners(module.imported_globals, imports),
    )
