"""Writing a component whose core modules hold the state that their instances had.

Sections stay in their order, and no index moves: what is added comes last, and where an export is removed, its function
is defined once more in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ...binary import encoder as write
from ...binary.component import Component, writer
from ...binary.component.reader import ALIAS, CANON, COMPONENT, CORE_INSTANCE, CORE_MODULE, CUSTOM, EXPORT, INSTANCE
from ...binary.component.recipe import (
    Bundle,
    CoreBundle,
    CoreInstantiate,
    CoreModule,
    Definition,
    Export,
    Import,
    InstanceExport,
    Instantiate,
    Lift,
    Nested,
    Outer,
    Placed,
    Section,
)
from ...binary.cursor import Cursor
from ...binary.module import Module, SectionId
from ...binary.rope import Rope
from ...engine.component.linked import LinkedInstance
from ...engine.component.scope import Scope
from ...errors import InitializerType, Unsupported, counted, quoted
from ...tuples import NamedTuple
from .assembled import Assembled, Piece, assembled, joined
from .fixup import Fixup
from .numbers import Numbers, exported, names_outer, sort_of

T = TypeVar("T")


class Written(NamedTuple):
    """What each instance of a component gets: `modules`, by instance, of which several may have the same; what is put
    into shared tables; `originals`: the input's core modules, by where they begin."""

    modules: Mapping[LinkedInstance, Rope]
    fixups: Mapping[Scope, Fixup]
    originals: Mapping[int, bytes]


def write_component(root: Scope, scopes: Sequence[Scope], written: Written, removed: frozenset[str]) -> Assembled:
    """The component of `root`, without the exported functions `removed`. Raises `Unsupported`, `InitializerType`.

    `scopes`: all instances of components.
    """
    assert root.component is not None
    return assembled(_Writer(root.component, root, _Instances(scopes, written), written, removed).pieces())


class _Instances:
    """Which instances what is written in a component belongs to: a component that has several is written for each."""

    def __init__(self, scopes: Sequence[Scope], written: Written) -> None:
        #: What components within become.
        self.texts: dict[Scope, bytes] = {}
        self._scopes: dict[tuple[int, int], list[Scope]] = {}
        self._within: dict[Scope, set[LinkedInstance]] = {scope: set() for scope in scopes}
        by_core = {core: scope for scope in scopes for core in scope.cores}
        self._of_module: dict[int, list[LinkedInstance]] = {}
        for scope in scopes:
            self._scopes.setdefault((id(scope.component), id(scope.parent)), []).append(scope)
        for instance in written.modules:
            self._of_module.setdefault(instance.base, []).append(instance)
            outer: Scope | None = by_core[instance]
            while outer is not None:
                self._within[outer].add(instance)
                outer = outer.parent

    def scopes(self, component: Component, parent: Scope | None) -> list[Scope]:
        """The instances of a component that is defined in `parent`."""
        return self._scopes.get((id(component), id(parent)), []) if parent else []

    def of_module(self, start: int, scope: Scope | None) -> list[LinkedInstance]:
        """The instances of the core module at that offset, as it is defined in `scope`."""
        if scope is None:
            return []
        return [instance for instance in self._of_module.get(start, ()) if instance in self._within[scope]]


class _Kind(NamedTuple, Generic[T]):
    """What may have several instances: core modules, or the components within one.

    `instances`: those of a definition; `content`: what one is in the output; `made`: instances that are made in this
    component, and by what: its index for a core instance, its offset for a component's. `problem`, `hint`: where more
    name it than what makes instances.
    """

    sort: str
    numbers: Numbers
    instances: Callable[[Placed], Sequence[T]]
    content: Callable[[T], Piece]
    made: Mapping[Any, int]
    problem: str
    hint: str


def is_plainly(piece: Piece, data: bytes | None) -> bool:
    """Whether a piece is plainly these bytes: they need not be compared."""
    return isinstance(piece, Rope) and len(piece.pieces) == 1 and piece.pieces[0] is data


class _Writer:
    """Writes a component for one instance of it; as it was, where there is none."""

    def __init__(
        self,
        component: Component,
        scope: Scope | None,
        instances: _Instances,
        written: Written,
        removed: frozenset[str] = frozenset(),
    ) -> None:
        self._component = component
        self._scope = scope
        self._instances = instances
        self._written = written
        self._removed = removed
        self._data = component.data
        self._modules = Numbers()
        self._components = Numbers()
        self._written_here: dict[int, list[Piece]] = {}  # core modules and components by where they begin
        self._exported: dict[str, frozenset[int]] = {}  # see `exported`
        self._number(self._core_modules())
        self._number(self._components_within())

    # -- copies

    def _number(self, kind: _Kind[T]) -> None:
        """Decides which copy in the output each instance is made of: what has several instances gets copies."""
        for placed in self._component.definitions:
            if sort_of(placed.definition) != kind.sort:
                continue
            contents: list[Piece] = []
            owners: Sequence[T] = ()
            if isinstance(placed.definition, CoreModule | Nested):
                owners = kind.instances(placed)
                contents = self._copies(placed, kind.sort, kind.numbers.before, distinct(map(kind.content, owners)))
                self._written_here[placed.start] = contents
            if len(contents) > 1 and not (
                all(one in kind.made for one in owners) and self._only_instances_name(kind.sort)
            ):
                raise Unsupported(
                    kind.problem.format(number=kind.numbers.before, instances=counted(len(owners), "instance")),
                    where=f"byte offset {placed.start:#x}",
                    hint=kind.hint,
                )
            for one in owners:
                if one in kind.made:
                    kind.numbers.places[kind.made[one]] = kind.numbers.count + contents.index(kind.content(one))
            kind.numbers.add(len(contents))

    def _core_modules(self) -> _Kind[LinkedInstance]:
        return _Kind(
            "core module",
            self._modules,
            lambda placed: self._instances.of_module(placed.start, self._scope),
            lambda instance: self._written.modules[instance],
            self._scope.cores if self._scope else {},
            "core module {number} of a component has {instances}, and other components name it",
            "Have each component hold the core modules that it instantiates.",
        )

    def _components_within(self) -> _Kind[Scope]:
        return _Kind(
            "component",
            self._components,
            self._scopes_of,
            self._for,
            {child: offset for offset, child in self._scope.children.items()} if self._scope else {},
            "a component within the component has {instances} with state of their own, and is named by more than what "
            "makes them",
            "Have the outer component hold one copy of it for each instance.",
        )

    def _scopes_of(self, placed: Placed) -> list[Scope]:
        """The instances of a component within."""
        assert isinstance(placed.definition, Nested)
        return self._instances.scopes(placed.definition.component, self._scope)

    def _for(self, scope: Scope) -> bytes:
        """A component within, written for one instance of it."""
        if scope not in self._instances.texts:
            assert scope.component is not None
            pieces = _Writer(scope.component, scope, self._instances, self._written).pieces()
            self._instances.texts[scope] = joined(pieces)
        return self._instances.texts[scope]

    def _copies(self, placed: Placed, sort: str, number: int, contents: list[Piece]) -> list[Piece]:
        """What a definition becomes. What is exported stays: who instantiates that wants no state of ours."""
        _, start, end = placed
        alike = (one for one in contents if len(one) == end - start)
        original = self._written.originals.get(start)
        same = next(
            (one for one in alike if is_plainly(one, original) or self._data.startswith(joined([one]), start)), None
        )
        if contents == [same]:
            return contents
        if contents:
            if sort not in self._exported:
                self._exported[sort] = exported(self._component, sort)
            if number not in self._exported[sort]:
                return contents
        return distinct((self._data[start:end] if same is None else same, *contents))

    def _only_instances_name(self, sort: str) -> bool:
        """Whether nothing but instances of this component names its core modules, or components."""
        for placed in self._component.definitions:
            match placed.definition:
                case Outer(found, _, _) | InstanceExport(found, _, _) if found == sort:
                    return False
                case Instantiate(_, things) | Bundle(things) if any(found == sort for _, found, _ in things):
                    return False
                case Nested(component) if names_outer(component, sort):
                    return False
        return True

    # -- sections

    def pieces(self) -> Iterator[Piece]:
        yield self._data[self._component.start : self._component.start + 8]
        instances = 0
        for section in self._component.sections:
            placed = self._component.of(section)
            if section.id == CORE_MODULE:
                for content in self._written_here[section.start]:
                    yield from _section(CORE_MODULE, content)
            elif section.id == COMPONENT:
                for content in self._written_here[section.start]:
                    yield from _section(COMPONENT, content)
            elif section.id == CORE_INSTANCE:
                yield writer.section(CORE_INSTANCE, list(self._core_instances(placed, instances)))
                instances += len(placed)
            elif section.id == INSTANCE and self._components.moved:
                yield writer.section(INSTANCE, list(map(self._instance, placed)))
            elif section.id == EXPORT and any(map(self._is_changed, placed)):
                yield from self._exports(placed)
            elif (
                section.id == CUSTOM
                and section.title == "component-name"
                and (self._modules.moved or self._components.moved)
            ):
                numbers = self._modules.numbers, self._components.numbers
                yield writer.renumbered_names(self._data, section, *numbers)
            else:
                yield self._as_it_was(section)
        fixup = self._written.fixups.get(self._scope) if self._scope else None
        if fixup and self._scope:
            yield from fixup.sections(self._scope, self._modules.count)

    def _as_it_was(self, section: Section) -> bytes:
        return self._data[section.header : section.end]

    def _core_instances(self, placed: Sequence[Placed], first: int) -> Iterator[bytes]:
        for index, (definition, start, end) in enumerate(placed, first):
            if isinstance(definition, CoreInstantiate):
                module = self._modules.of(index, definition.module)
                if module != definition.module:
                    yield writer.instance_of(self._data, start, end, module)
                    continue
            else:
                assert isinstance(definition, CoreBundle)
            yield self._data[start:end]

    def _instance(self, placed: Placed) -> bytes:
        definition, start, end = placed
        if isinstance(definition, Instantiate):
            component = self._components.of(start, definition.component)
            if component != definition.component:
                return writer.instance_of(self._data, start, end, component)
        return self._data[start:end]

    # -- exports

    def _is_removed(self, definition: Definition) -> bool:
        return isinstance(definition, Export) and definition.sort == "func" and definition.name in self._removed

    def _is_changed(self, placed: Placed) -> bool:
        return self._is_removed(placed.definition) or self._export(placed) != self._data[placed.start : placed.end]

    def _export(self, placed: Placed) -> bytes:
        """An export, of what has another index now."""
        definition, start, end = placed
        assert isinstance(definition, Export)
        spaces = {"core module": self._modules, "component": self._components}
        if definition.sort in spaces and spaces[definition.sort].moved:
            number = spaces[definition.sort].numbers[definition.number]
            return writer.export_of(self._data, start, end, number)
        return self._data[start:end]

    def _exports(self, placed: Sequence[Placed]) -> Iterator[bytes]:
        """Export sections without what is removed; an export has an index of its own, which its function takes."""
        kept: list[bytes] = []
        for definition, start, end in placed:
            if not self._is_removed(definition):
                kept.append(self._export(Placed(definition, start, end)))
                continue
            if kept:
                yield writer.section(EXPORT, kept)
                kept = []
            assert isinstance(definition, Export)
            yield self._again(definition)
        if kept:
            yield writer.section(EXPORT, kept)

    def _again(self, export: Export) -> bytes:
        """What defines an exported function, once more."""
        origin = self._functions()[export.number]
        number = CANON if isinstance(origin.definition, Lift) else ALIAS
        if isinstance(origin.definition, Import):
            raise InitializerType(
                f"the initializer {quoted(export.name)} is an import of the component",
                hint="Keep its export: `--keep-init-func`.",
            )
        return writer.section(number, [self._data[origin.start : origin.end]])

    def _functions(self) -> list[Placed]:
        """Where each function of the index space comes from; of an export, where what it exports comes from."""
        found: list[Placed] = []
        for placed in self._component.definitions:
            if sort_of(placed.definition) == "func":
                exported = isinstance(placed.definition, Export)
                found.append(found[placed.definition.number] if exported else placed)  # type: ignore[union-attr]
        return found


def _section(number: int, content: Piece) -> tuple[bytes, Piece]:
    """A section, without a copy of what it holds."""
    return bytes((number,)) + write.uleb(len(content)), content


def distinct(contents: Iterable[Piece]) -> list[Piece]:
    """Each once, in their order. The hash of one is not asked for: it may be megabytes."""
    found = list(contents)
    return found if len(found) < 2 else list(dict.fromkeys(found))


def with_exports(module: Module, entries: Sequence[bytes]) -> bytes:
    """A module with more exports."""
    wasm, section = module.data, module.section(SectionId.EXPORT)
    if section is None:
        later = write.SECTION_ORDER[write.SECTION_ORDER.index(SectionId.EXPORT) + 1 :]
        place = next((one.header for one in module.sections if one.id in later), len(wasm))
        return b"".join([wasm[:place], *write.section(SectionId.EXPORT, write.vector(entries)), wasm[place:]])
    at = Cursor(wasm, section.start, section.end, section.label)
    payload = write.uleb(at.u32() + len(entries)) + wasm[at.position : section.end] + b"".join(entries)
    return b"".join([wasm[: section.header], *write.section(SectionId.EXPORT, payload), wasm[section.end :]])
