"""What is in a component: its imports and exports, and its core modules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from ..binary.component import Component, read_component
from ..binary.component.recipe import Import, Nested
from ..binary.module import parse
from ..errors import PreinitError
from ..version import VERSION
from . import inspect_module
from .model import INSPECTION_VERSION, Inspection


@dataclass(frozen=True)
class ComponentInspection:
    """`imports` and `exports` as sort and name. `modules`: the core modules in their order, those of components within
    too. `nested`: how many components are within."""

    version: int
    preinit: str
    size: int
    sha256: str
    imports: tuple[tuple[str, str], ...]
    exports: tuple[tuple[str, str], ...]
    modules: tuple[Inspection, ...]
    nested: int

    def to_dict(self) -> dict[str, Any]:
        """The inspection as JSON values: `component` tells it from a core module's."""
        return {
            "version": self.version,
            "preinit": self.preinit,
            "component": True,
            "size": self.size,
            "sha256": self.sha256,
            "imports": [{"sort": sort, "name": name} for sort, name in self.imports],
            "exports": [{"sort": sort, "name": name} for sort, name in self.exports],
            "components_within": self.nested,
            "core_modules": [module.to_dict() for module in self.modules],
        }


def inspect_component(data: bytes) -> ComponentInspection:
    """What is in a component's binary. Raises an `InputError`."""
    component = read_component(data)
    modules = []
    for number, (start, end) in enumerate(component.core_modules()):
        try:
            modules.append(inspect_module(parse(data[start:end], libraries=True)))
        except PreinitError as problem:
            problem.where = f"core module {number}, {problem.where or ''}".rstrip(", ")
            raise
    imports = [entry.definition for entry in component.definitions if isinstance(entry.definition, Import)]
    return ComponentInspection(
        INSPECTION_VERSION,
        VERSION,
        len(data),
        hashlib.sha256(data).hexdigest(),
        tuple((entry.type.sort, entry.name) for entry in imports),
        tuple((entry.sort, entry.name) for entry in component.exports),
        tuple(modules),
        _nested(component),
    )


def _nested(component: Component) -> int:
    within = [entry.definition for entry in component.definitions if isinstance(entry.definition, Nested)]
    return len(within) + sum(_nested(entry.component) for entry in within)
