"""A component as its binary says it: definitions in order, by which it is instantiated.

Nothing is resolved here: indices stay indices, since types may be resources, of which each instance has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...records import Value, value
from ...tuples import NamedTuple
from .types import CoreType, ExternType, TypeOf


class CoreModule(NamedTuple):
    """A core module, bytes `start:end` of the file."""

    start: int
    end: int


class CoreInstantiate(NamedTuple):
    """An instance of core module `module`; `arguments`: name, and the core instance that has what it imports."""

    module: int
    arguments: tuple[tuple[str, int], ...]


class CoreBundle(NamedTuple):
    """A core instance made of what there is: name, sort, index."""

    exports: tuple[tuple[str, str, int], ...]


class DefineCoreType(NamedTuple):
    type: CoreType


class Nested(NamedTuple):
    component: Component


class Instantiate(NamedTuple):
    """An instance of component `component`; `arguments`: name, sort, index."""

    component: int
    arguments: tuple[tuple[str, str, int], ...]


class Bundle(NamedTuple):
    """An instance made of what there is: name, sort, index."""

    exports: tuple[tuple[str, str, int], ...]


class CoreExport(NamedTuple):
    """What core instance `instance` exports as `name`."""

    sort: str
    instance: int
    name: str


class InstanceExport(NamedTuple):
    """What instance `instance` exports as `name`."""

    sort: str
    instance: int
    name: str


class Outer(NamedTuple):
    """What the component `levels` further out has under the index `number`."""

    sort: str
    levels: int
    number: int


class DefineType(NamedTuple):
    type: TypeOf


class CanonOptions(NamedTuple):
    """Options of a canonical function, by index in the spaces of core memories and functions."""

    encoding: str = "utf8"
    memory: int | None = None
    realloc: int | None = None
    post_return: int | None = None
    is_async: bool = False


class Lift(NamedTuple):
    function: int
    options: CanonOptions
    type: int


class Lower(NamedTuple):
    function: int
    options: CanonOptions


class ResourceFunction(NamedTuple):
    """`what` is "new", "drop" or "rep"."""

    what: str
    type: int


class Unsupported(NamedTuple):
    """A canonical function that can be read past, and fails when it is called."""

    name: str


class Import(NamedTuple):
    name: str
    type: ExternType


class Export(NamedTuple):
    name: str
    sort: str
    number: int


Definition = (
    CoreModule | CoreInstantiate | CoreBundle | DefineCoreType | Nested | Instantiate | Bundle | CoreExport
    | InstanceExport | Outer | DefineType | Lift | Lower | ResourceFunction | Unsupported | Import | Export
)  # fmt: skip


class Placed(NamedTuple):
    """A definition, and the bytes `start:end` of the file that say it."""

    definition: Definition
    start: int
    end: int


class Section(NamedTuple):
    """The section is `header:end` in the file, its payload `start:end`; its definitions are `first:last`.

    For a custom section, `title` is its name and `content` where that name ends.
    """

    id: int
    header: int
    start: int
    end: int
    first: int
    last: int
    title: str = ""
    content: int = 0


@value
class Component(Value):
    """One component, bytes `start:end` of `data`, preamble included. Offsets are those of the file."""

    data: bytes
    start: int
    end: int
    sections: tuple[Section, ...]
    definitions: tuple[Placed, ...]

    __eq__ = object.__eq__  # one is no other, and each can be held by what is kept about it
    __hash__ = object.__hash__
    __repr__ = object.__repr__

    def of(self, section: Section) -> tuple[Placed, ...]:
        """The definitions of a section."""
        return self.definitions[section.first : section.last]

    def core_modules(self) -> Iterator[CoreModule]:
        """All core modules, those of components within too, in the order of the file."""
        for placed in self.definitions:
            if isinstance(placed.definition, CoreModule):
                yield placed.definition
            elif isinstance(placed.definition, Nested):
                yield from placed.definition.component.core_modules()

    @property
    def exports(self) -> Iterable[Export]:
        return (placed.definition for placed in self.definitions if isinstance(placed.definition, Export))
