"""Resources and the handles by which component instances hold them.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#resource-state
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import EngineLimit, GuestTrap

#: Handles that one component instance may hold at once.
MOST_HANDLES = 1 << 20


class ResourceType:
    """A type of resources. `owner`: the handles of the instance that defines it; None for the host's.

    `destructor` is called with the representation of one that is dropped: of a guest's resource the number that it
    gave, of the host's the object.
    """

    def __init__(self, name: str, owner: Handles | None, destructor: Callable[[Any], object] | None = None) -> None:
        self.name = name
        self.owner = owner
        self.destructor = destructor

    def __str__(self) -> str:
        return self.name


class Handle:
    """`owns`: it is an `own`, else a `borrow`. `lent`: how many borrows of it are in use. `made`: where it was made.
    `held`: until it is dropped or given away."""

    __slots__ = ("held", "lent", "made", "owns", "representation", "type")

    def __init__(self, resource: ResourceType, representation: Any, owns: bool, made: object = None) -> None:
        self.type = resource
        self.representation = representation
        self.owns = owns
        self.lent = 0
        self.held = True
        self.made = made


class Handles:
    """The handles of one component instance. `where`: says where a handle is made, for who looks for leaks."""

    def __init__(self, where: Callable[[], object] = lambda: None) -> None:
        self._slots: list[Handle | None] = [None]
        self._free: list[int] = []
        self._where = where
        self._staying = 0
        self._entered = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """While an export of the instance runs. Raises `GuestTrap` where one does already."""
        if self._entered:
            raise GuestTrap("a component instance was entered again: an export of it was called while another one ran")
        self._entered = True
        try:
            yield
        finally:
            self._entered = False

    @contextmanager
    def staying(self) -> Iterator[None]:
        """While this runs, the instance must not call an import: the host is in the middle of passing values."""
        self._staying += 1
        try:
            yield
        finally:
            self._staying -= 1

    def check_leaving(self) -> None:
        """Raises `GuestTrap` where the instance must not call an import now."""
        if self._staying:
            raise GuestTrap("the guest called an import from its `realloc` or a function that cleans up")

    def add(self, resource: ResourceType, representation: Any, owns: bool) -> int:
        """A handle's index."""
        handle = Handle(resource, representation, owns, self._where())
        if self._free:
            index = self._free.pop()
            self._slots[index] = handle
            return index
        if len(self._slots) > MOST_HANDLES:
            raise EngineLimit(f"the initializer holds more than {MOST_HANDLES:,} handles", hint="Drop some.")
        self._slots.append(handle)
        return len(self._slots) - 1

    def get(self, index: int, resource: ResourceType) -> Handle:
        """Raises `GuestTrap` where there is no such handle, or one of another type."""
        handle = self._slots[index] if 0 < index < len(self._slots) else None
        if handle is None:
            raise GuestTrap(f"the guest used handle {index} of the resource `{resource}`, which does not exist")
        if handle.type is not resource:
            raise GuestTrap(f"the guest used handle {index} as a `{resource}`, and it is a `{handle.type}`")
        return handle

    def remove(self, index: int) -> None:
        handle = self._slots[index]
        assert handle is not None
        handle.held = False
        self._slots[index] = None
        self._free.append(index)

    def take(self, index: int, resource: ResourceType) -> Any:
        """The representation of an `own` that is given away. Raises `GuestTrap`."""
        handle = self.get(index, resource)
        if not handle.owns or handle.lent:
            state = "lent" if handle.owns else "borrowed"
            raise GuestTrap(f"the guest gave away handle {index} of the resource `{resource}`, which is {state}")
        self.remove(index)
        return handle.representation

    def drop(self, index: int, resource: ResourceType) -> None:
        """What `resource.drop` does. Raises `GuestTrap`."""
        handle = self.get(index, resource)
        if handle.lent:
            raise GuestTrap(f"the guest dropped handle {index} of the resource `{resource}`, which is lent")
        self.remove(index)
        if handle.owns and resource.destructor:
            resource.destructor(handle.representation)

    def alive(self) -> list[Handle]:
        """All handles that were not dropped."""
        return [handle for handle in self._slots if handle]
