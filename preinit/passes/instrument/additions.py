"""What is added to a copy of a module so that it can be observed."""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import FuncType


class Additions:
    """Entries that are added to each section, after the `present_types` types that it has."""

    def __init__(self, module: Module, prefix: str, present_types: int) -> None:
        self.module = module
        self._present_types = present_types
        self.prefix = prefix
        self.types: list[bytes] = []
        self.functions: list[bytes] = []
        self.tables: list[bytes] = []
        self.memories: list[bytes] = []
        self.exports: list[bytes] = []
        self.elements: list[bytes] = []
        self.bodies: list[bytes] = []
        self._type_indices: dict[FuncType, int] = {}

    def type(self, value: FuncType) -> int:
        if value not in self._type_indices:
            self._type_indices[value] = self._present_types + len(self.types)
            self.types.append(write.function_type(value))
        return self._type_indices[value]

    def function(self, value: FuncType, body: bytes) -> int:
        """Adds a function; `body` is locals and expression. Returns its index."""
        self.functions.append(write.uleb(self.type(value)))
        self.bodies.append(write.code_entry(body))
        return len(self.module.function_types) + len(self.functions) - 1

    def export(self, kind: ExternKind, index: int, label: str) -> str:
        name = f"{self.prefix}{label}{index}"
        self.exports.append(write.export(name, kind, index))
        return name


_PREFIX = "preinit:"


def free_prefix(module: Module) -> str:
    """A prefix that no export of the module has."""
    stems = ((name, name.lstrip("_")) for name in module.exported_names)
    longest = max((len(name) - len(stem) for name, stem in stems if stem.startswith(_PREFIX)), default=-1)
    return "_" * (longest + 1) + _PREFIX
