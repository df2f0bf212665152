"""What is in a component: its imports and exports, and its core modules."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..binary.component import Component, read_component
from ..binary.component.recipe import Import, Nested
from ..binary.encoder import COMPONENT_PREAMBLE
from ..binary.module import Module, parse
from ..errors import Misfit, PreinitError
from ..version import VERSION
from .model import INSPECTION_VERSION, Inspection
from .modules import inspect_module


@dataclass(frozen=True)
class ComponentAdded:
    """What a component has beyond its original, and the other way round; imports and exports as sort and name.

    `originals`: for each core module the number of that in the original which it was made from; None where there is
    none: preinit adds a small one that fills tables which several instances share.
    """

    size_before: int
    sha256_before: str
    originals: tuple[int | None, ...]
    modules_before: int
    exports_gone: tuple[tuple[str, str], ...]
    exports_new: tuple[tuple[str, str], ...]
    imports_gone: tuple[tuple[str, str], ...]
    imports_new: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ComponentInspection:
    """`imports` and `exports` as sort and name. `modules`: the core modules in their order, those of components within
    too, each compared with the one that it was made from if `against` is there. `nested`: how many components are
    within."""

    version: int
    preinit: str
    size: int
    sha256: str
    imports: tuple[tuple[str, str], ...]
    exports: tuple[tuple[str, str], ...]
    modules: tuple[Inspection, ...]
    nested: int
    against: ComponentAdded | None = None

    def to_dict(self) -> dict[str, Any]:
        """The inspection as JSON values: `component` tells it from a core module's."""
        return {
            "version": self.version,
            "preinit": self.preinit,
            "component": True,
            "size": self.size,
            "sha256": self.sha256,
            "imports": _named(self.imports),
            "exports": _named(self.exports),
            "components_within": self.nested,
            "core_modules": [module.to_dict() for module in self.modules],
            "against": _added_to_dict(self.against) if self.against else None,
        }


def _named(entries: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"sort": sort, "name": name} for sort, name in entries]


def _added_to_dict(found: ComponentAdded) -> dict[str, Any]:
    names = ("exports_gone", "exports_new", "imports_gone", "imports_new")
    return {
        "size_before": found.size_before,
        "sha256_before": found.sha256_before,
        "originals": list(found.originals),
        "core_modules_before": found.modules_before,
        **{name: _named(getattr(found, name)) for name in names},
    }


def inspect_component(data: bytes, original: bytes | None = None) -> ComponentInspection:
    """What is in a component's binary. `original`: that of the component which it was made from.

    Raises an `InputError`; `Misfit` where the original is no component.
    """
    component, modules = _read(data, "")
    imports, exports = _imports(component), _exports(component)
    found: list[Module | None] = [None] * len(modules)
    against = None
    if original is not None:
        if not original.startswith(COMPONENT_PREAMBLE):
            raise Misfit(
                "the module is a component, and the original is none", hint="Give the component that it was made from."
            )
        before, modules_before = _read(original, "the original, ")
        places = _matched(modules, modules_before)
        found = [None if place is None else modules_before[place] for place in places]
        against = ComponentAdded(
            len(original),
            hashlib.sha256(original).hexdigest(),
            places,
            len(modules_before),
            _without(_exports(before), exports),
            _without(exports, _exports(before)),
            _without(_imports(before), imports),
            _without(imports, _imports(before)),
        )
    return ComponentInspection(
        INSPECTION_VERSION,
        VERSION,
        len(data),
        hashlib.sha256(data).hexdigest(),
        imports,
        exports,
        tuple(inspect_module(module, old) for module, old in zip(modules, found, strict=True)),
        _nested(component),
        against,
    )


def _read(data: bytes, whose: str) -> tuple[Component, list[Module]]:
    modules = []
    try:
        component = read_component(data)
        for number, (start, end) in enumerate(component.core_modules()):
            try:
                modules.append(parse(data[start:end], libraries=True))
                _ = modules[-1].bodies  # that its code can be read, too
            except PreinitError as problem:
                problem.where = f"core module {number}, {problem.where or ''}".rstrip(", ")
                raise
    except PreinitError as problem:
        problem.where = f"{whose}{problem.where or ''}".rstrip(", ") or None
        raise
    return component, modules


def _imports(component: Component) -> tuple[tuple[str, str], ...]:
    imports = (entry.definition for entry in component.definitions)
    return tuple((entry.type.sort, entry.name) for entry in imports if isinstance(entry, Import))


def _exports(component: Component) -> tuple[tuple[str, str], ...]:
    return tuple((entry.sort, entry.name) for entry in component.exports)


def _without(entries: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    known = set(others)
    return tuple(entry for entry in entries if entry not in known)


def _matched(modules: Sequence[Module], before: Sequence[Module]) -> tuple[int | None, ...]:
    """For each core module, the number of the one that it was made from.

    That has the same imports, and begins with the same code. Of several that are alike the next one is taken; the last
    one again where there are more modules now: of a module with several instances there are as many.
    """
    alike: dict[_Kind, list[int]] = {}
    for number, module in enumerate(before):
        alike.setdefault(_kind(module, len(module.bodies)), []).append(number)
    counts = sorted({len(module.bodies) for module in before}, reverse=True)  # a start function may have been added
    taken: Counter[_Kind] = Counter()
    found: list[int | None] = []
    for module in modules:
        kinds = (_kind(module, count) for count in counts if len(module.bodies) - 1 <= count <= len(module.bodies))
        kind = next((kind for kind in kinds if kind in alike), None)
        if kind is None:
            found.append(None)
            continue
        found.append(alike[kind][min(taken[kind], len(alike[kind]) - 1)])
        taken[kind] += 1
    return tuple(found)


#: What a core module keeps: its imports, and the code of its functions.
_Kind = tuple[tuple[tuple[str, str, int], ...], int, bytes]


def _kind(module: Module, functions: int) -> _Kind:
    imports = tuple((entry.module, entry.name, int(entry.kind)) for entry in module.imports)
    bodies = module.bodies
    code = memoryview(module.data)[bodies[0].entry : bodies[functions - 1].end] if functions else b""
    return imports, functions, hashlib.sha256(code).digest()


def _nested(component: Component) -> int:
    within = [entry.definition for entry in component.definitions if isinstance(entry.definition, Nested)]
    return len(within) + sum(_nested(entry.component) for entry in within)
