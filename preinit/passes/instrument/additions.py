"""What is added to a copy of a module so that it can be observed."""

from __future__ import annotations

from collections.abc import Mapping

from ...binary import encoder as write
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind, Global, Mode
from ...binary.types import FuncType, is_numeric
from ...engine.guest import ActiveData

Pieces = list[bytes | memoryview]


class Additions:
    """Entries that are added to each section, behind the `present_types` types that it has."""

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


def is_read(entry: Global) -> bool:
    """Whether a global's value must be read: it can change, or is not written in the module."""
    return entry.mutable or not is_numeric(entry.type) or _is_from_outside(entry)


def _is_from_outside(entry: Global) -> bool:
    """Whether a constant global's value is not written in the module: imported, or computed from one that is."""
    return entry.initializer is None or bool(entry.initializer.globals)


_PREFIX = "preinit:"


def free_prefix(module: Module) -> str:
    """A prefix that no export of the module has."""
    stems = ((name, name.lstrip("_")) for name in module.exported_names)
    longest = max((len(name) - len(stem) for name, stem in stems if stem.startswith(_PREFIX)), default=-1)
    return "_" * (longest + 1) + _PREFIX


def active_data(module: Module, memories: Mapping[int, str]) -> list[ActiveData] | None:
    """What the host writes in place of active segments; None where an offset isn't a plain constant."""
    found = []
    for segment in module.data_segments:
        if segment.mode is not Mode.ACTIVE:
            continue
        if segment.offset is None or segment.memory not in memories:
            return None
        if segment.offset_is_64 != module.memories[segment.memory].is_64:
            return None  # not valid, and the engine says so
        found.append(ActiveData(memories[segment.memory], segment.offset, segment.start, segment.end))
    return found


def without_active_data(module: Module) -> Pieces:
    """The data section, all active segments dropped, as they are once a module is instantiated."""
    view = memoryview(module.data)
    entries = [
        b"\x01\0" if segment.mode is Mode.ACTIVE else view[segment.raw_start : segment.end]
        for segment in module.data_segments
    ]
    return write.section(SectionId.DATA, write.uleb(len(entries)) + b"".join(entries))
