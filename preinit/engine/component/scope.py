"""An instance of a component: its index spaces, its handles, what it exports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from ...binary.component.recipe import Component
from ...errors import InvalidModule, quoted
from ...tuples import NamedTuple
from .cores import CoreInstance
from .handles import Handles

#: A sort, and something of that sort.
Item = tuple[str, Any]


class NestedComponent(NamedTuple):
    """A component within another one. `visible`: how much of each sort there was when it was defined."""

    component: Component
    scope: Scope
    visible: Mapping[str, int]


class Scope:
    """The index spaces of a component that is being instantiated; afterwards, its instance.

    `cores`: its core instances, and the index of each. `offset` of the definition that is at work. `parent`: in which
    the component is defined. `children`: the instances of components that it makes, by the offset of what says so.
    """

    def __init__(
        self,
        component: Component | None,
        parent: Scope | None,
        visible: Mapping[str, int],
        where: Callable[[], object] = lambda: None,
    ) -> None:
        self.component = component
        self.parent = parent
        self.children: dict[int, Scope] = {}
        self._visible = visible
        self._spaces: defaultdict[str, list[Any]] = defaultdict(list)
        self.handles = Handles(where)
        self.exports: dict[str, Item] = {}
        self.cores: dict[CoreInstance, int] = {}
        self.offset = component.start if component else 0

    def add(self, sort: str, item: Any) -> None:
        self._spaces[sort].append(item)

    def size(self, sort: str) -> int:
        return len(self._spaces[sort])

    def sizes(self) -> dict[str, int]:
        return {sort: len(items) for sort, items in self._spaces.items()}

    def all(self, sort: str) -> list[Any]:
        """All of a sort, in order."""
        return self._spaces[sort]

    def get(self, sort: str, index: int | None) -> Any:
        """Raises `InvalidModule` where there is no such thing."""
        items = self._spaces[sort]
        if index is None or index >= len(items):
            raise self.invalid(f"it names {sort} {index}, and there are {len(items)}")
        return items[index]

    def exported(self, number: int, sort: str, name: str) -> Any:
        """What instance `number` exports."""
        found = self.get("instance", number).get(name)
        if found is None or found[0] != sort:
            raise self.invalid(f"instance {number} exports no {sort} {quoted(name)}")
        return found[1]

    def outer(self, sort: str, levels: int, index: int) -> Any:
        """What has that index so many levels further out, of what was there when this component was defined."""
        scope, visible = self, self.sizes()
        for _ in range(levels):
            if scope.parent is None:
                raise self.invalid(f"it names something {levels} components further out")
            scope, visible = scope.parent, dict(scope._visible)
        if index >= visible.get(sort, 0):
            raise self.invalid(f"it names {sort} {index} of an outer component, which has {visible.get(sort, 0)}")
        return scope.get(sort, index)

    def invalid(self, what: str) -> InvalidModule:
        return InvalidModule(f"the component is not valid: {what}", where=f"byte offset {self.offset:#x}")
