"""Index spaces of core modules and of components within: what stands for what, and who names it."""

from __future__ import annotations

from collections.abc import Iterator

from ...binary.component import Component
from ...binary.component.recipe import (
    Bundle,
    CoreExport,
    CoreModule,
    Definition,
    Export,
    Import,
    InstanceExport,
    Lift,
    Nested,
    Outer,
)


class Numbers:
    """Core modules, or components, of the output: `count` so far, for `before` of the input.

    `numbers`: which one of the input has in the output; `places`: which one has what makes an instance of it.
    """

    def __init__(self) -> None:
        self.before = self.count = 0
        self.numbers: dict[int, int] = {}
        self.places: dict[int, int] = {}

    def add(self, copies: int) -> None:
        self.numbers[self.before] = self.count
        self.before += 1
        self.count += max(1, copies)

    @property
    def moved(self) -> bool:
        return self.count != self.before

    def of(self, place: int, number: int) -> int:
        return self.places.get(place, self.numbers.get(number, number))


def let_out(definition: Definition) -> Iterator[tuple[str, int]]:
    """What a definition gives to whoever uses the component: sort and index."""
    if isinstance(definition, Export):
        yield definition.sort, definition.number
    elif isinstance(definition, Bundle):
        yield from ((sort, index) for _, sort, index in definition.exports)


def names_outer(component: Component, sort: str) -> bool:
    for placed in component.definitions:
        if isinstance(placed.definition, Outer) and placed.definition.sort == sort:
            return True
        if isinstance(placed.definition, Nested) and names_outer(placed.definition.component, sort):
            return True
    return False


def sort_of(definition: Definition) -> str:
    """To which index space a definition adds, of those that are asked about."""
    match definition:
        case CoreExport():  # of some components there are thousands
            return ""
        case CoreModule():
            return "core module"
        case Nested():
            return "component"
        case Lift():
            return "func"
        case Export(_, sort, _) | Outer(sort, _, _) | InstanceExport(sort, _, _):
            return sort
        case Import(_, found):
            return found.sort
    return ""


def exported(component: Component, sort: str) -> frozenset[int]:
    """The core modules, or components, that a component gives to whoever uses it: by the index of their definition."""
    origins: list[int] = []  # of each index, the one that it was defined as
    for one in component.definitions:
        if sort_of(one.definition) == sort:
            found = one.definition
            origins.append(origins[found.number] if isinstance(found, Export) else len(origins))
    given = (index for one in component.definitions for kind, index in let_out(one.definition) if kind == sort)
    return frozenset(origins[index] for index in given if index < len(origins))
