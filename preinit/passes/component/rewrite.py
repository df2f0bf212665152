"""Writing a component whose core modules hold the state that their instances had.

Sections stay in their order, and no index moves: what is added comes last, and where an export is removed, its function
is defined once more in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

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
from ...engine.component.linked import LinkedInstance
from ...engine.component.scope import Scope
from ...errors import InitializerType, Unsupported, counted, quoted
from .fixup import Fixup


class Written(NamedTuple):
    """What each instance of a component gets: `modules`, their bytes by instance; what is put into shared tables."""

    modules: Mapping[LinkedInstance, bytes]
    fixups: Mapping[Scope, Fixup]


def write_component(root: Scope, scopes: Sequence[Scope], written: Written, removed: frozenset[str]) -> bytes:
    """The component of `root`, without the exported functions `removed`. Raises `Unsupported`, `InitializerType`.

    `scopes`: all instances of components.
    """
    assert root.component is not None
    return b"".join(_Writer(root.component, root, _Instances(scopes, written), written, removed).pieces())


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
        self._modules = _Numbers()
        self._components = _Numbers()
        self._written_here: dict[int, list[bytes]] = {}  # core modules and components by where they begin
        self._number_modules()
        self._number_components()

    # -- copies

    def _number_modules(self) -> None:
        """Decides which core module of the output each instance has: one that has several gets copies."""
        cores = self._scope.cores if self._scope else {}
        for placed in self._component.definitions:
            if _sort_of(placed.definition) != "core module":
                continue
            contents = []
            if isinstance(placed.definition, CoreModule):
                contents = self._copies(placed, "core module", self._modules.before, self._contents(placed))
                self._written_here[placed.start] = contents
            of_module = self._instances.of_module(placed.start, self._scope)
            if len(contents) > 1 and not (
                all(one in cores for one in of_module) and self._only_instances_name("core module")
            ):
                raise Unsupported(
                    f"core module {self._modules.before} of a component has {counted(len(of_module), 'instance')}, and "
                    "other components name it",
                    where=f"byte offset {placed.start:#x}",
                    hint="Have each component hold the core modules that it instantiates.",
                )
            for instance in of_module:
                if isinstance(placed.definition, CoreModule) and instance in cores:
                    copy = contents.index(self._written.modules[instance])
                    self._modules.places[cores[instance]] = self._modules.count + copy
            self._modules.add(len(contents))

    def _number_components(self) -> None:
        """The same for the components within, by the offset of what makes an instance."""
        made = {id(child): offset for offset, child in self._scope.children.items()} if self._scope else {}
        for placed in self._component.definitions:
            if _sort_of(placed.definition) != "component":
                continue
            contents = []
            if isinstance(placed.definition, Nested):
                contents = self._copies(placed, "component", self._components.before, self._nested(placed))
                self._written_here[placed.start] = contents
            scopes = self._nested_scopes(placed)
            if len(contents) > 1 and not (
                all(id(one) in made for one in scopes) and self._only_instances_name("component")
            ):
                raise Unsupported(
                    f"a component within the component has {counted(len(scopes), 'instance')} with state of their own, "
                    "and is named by more than what makes them",
                    where=f"byte offset {placed.start:#x}",
                    hint="Have the outer component hold one copy of it for each instance.",
                )
            for scope in scopes:
                if id(scope) in made:
                    copy = contents.index(self._for(scope))
                    self._components.places[made[id(scope)]] = self._components.count + copy
            self._components.add(len(contents))

    def _contents(self, placed: Placed) -> list[bytes]:
        """The modules that the instances of one have in the output, each once."""
        of_module = self._instances.of_module(placed.start, self._scope)
        return list(dict.fromkeys(self._written.modules[one] for one in of_module))

    def _nested_scopes(self, placed: Placed) -> list[Scope]:
        if not isinstance(placed.definition, Nested):
            return []
        return self._instances.scopes(placed.definition.component, self._scope)

    def _nested(self, placed: Placed) -> list[bytes]:
        """The same of a component within."""
        return list(dict.fromkeys(map(self._for, self._nested_scopes(placed))))

    def _for(self, scope: Scope) -> bytes:
        """A component within, written for one instance of it."""
        if scope not in self._instances.texts:
            assert scope.component is not None
            pieces = _Writer(scope.component, scope, self._instances, self._written).pieces()
            self._instances.texts[scope] = b"".join(pieces)
        return self._instances.texts[scope]

    def _is_exported(self, sort: str, number: int) -> bool:
        """Whether the component gives that core module, or component, to whoever uses it."""
        origins: list[int] = []  # of each index, the one that it was defined as
        for one in self._component.definitions:
            if _sort_of(one.definition) == sort:
                found = one.definition
                origins.append(origins[found.number] if isinstance(found, Export) else len(origins))
        return any(
            index < len(origins) and origins[index] == number
            for one in self._component.definitions
            for kind, index in _let_out(one.definition)
            if kind == sort
        )

    def _copies(self, placed: Placed, sort: str, number: int, contents: Sequence[bytes]) -> list[bytes]:
        """What a definition becomes. What is exported stays: who instantiates that wants no state of ours."""
        original = self._data[placed.start : placed.end]
        if contents and list(contents) != [original] and self._is_exported(sort, number):
            return list(dict.fromkeys((original, *contents)))
        return list(contents) or [original]

    def _only_instances_name(self, sort: str) -> bool:
        """Whether nothing but instances of this component names its core modules, or components."""
        for placed in self._component.definitions:
            match placed.definition:
                case Outer(found, _, _) | InstanceExport(found, _, _) if found == sort:
                    return False
                case Instantiate(_, things) | Bundle(things) if any(found == sort for _, found, _ in things):
                    return False
                case Nested(component) if _names_outer(component, sort):
                    return False
        return True

    # -- sections

    def pieces(self) -> Iterator[bytes | memoryview]:
        yield self._data[self._component.start : self._component.start + 8]
        instances = 0
        for section in self._component.sections:
            placed = self._component.of(section)
            if section.id == CORE_MODULE:
                for content in self._written_here[section.start]:
                    yield from write.section(CORE_MODULE, content)  # without a copy of it
            elif section.id == COMPONENT:
                for content in self._written_here[section.start]:
                    yield from write.section(COMPONENT, content)
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
            if _sort_of(placed.definition) == "func":
                exported = isinstance(placed.definition, Export)
                found.append(found[placed.definition.number] if exported else placed)  # type: ignore[union-attr]
        return found


class _Numbers:
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


def _let_out(definition: Definition) -> Iterator[tuple[str, int]]:
    """What a definition gives to whoever uses the component: sort and index."""
    if isinstance(definition, Export):
        yield definition.sort, definition.number
    elif isinstance(definition, Bundle):
        yield from ((sort, index) for _, sort, index in definition.exports)


def _names_outer(component: Component, sort: str) -> bool:
    for placed in component.definitions:
        if isinstance(placed.definition, Outer) and placed.definition.sort == sort:
            return True
        if isinstance(placed.definition, Nested) and _names_outer(placed.definition.component, sort):
            return True
    return False


def _sort_of(definition: Definition) -> str:
    """To which index space a definition adds, of those that are asked about."""
    match definition:
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
