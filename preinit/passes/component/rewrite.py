"""Writing a component whose core modules hold the state that their instances had.

Sections stay in their order, and no index moves: what is added comes last, and where an export is removed, its function
is defined once more in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...binary import encoder as write
from ...binary.component import Component, writer
from ...binary.component.reader import ALIAS, CANON, COMPONENT, CORE_INSTANCE, CORE_MODULE, CUSTOM, EXPORT
from ...binary.component.recipe import (
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


def write_component(component: Component, scopes: Sequence[Scope], written: Written, removed: frozenset[str]) -> bytes:
    """The component, without the exported functions `removed`. Raises `Unsupported`, `InitializerType`."""
    of_component = {id(scope.component): scope for scope in scopes if scope.component is not None}
    of_module: dict[int, list[LinkedInstance]] = {}
    for instance in written.modules:
        of_module.setdefault(instance.base, []).append(instance)
    return b"".join(_Writer(component, of_component, of_module, written, removed).pieces())


class _Writer:
    def __init__(
        self,
        component: Component,
        of_component: Mapping[int, Scope],
        of_module: Mapping[int, list[LinkedInstance]],
        written: Written,
        removed: frozenset[str],
    ) -> None:
        self._component = component
        self._of_component = of_component
        self._of_module = of_module
        self._written = written
        self._removed = removed
        self._scope = of_component.get(id(component))
        self._data = component.data
        self._numbers: dict[int, int] = {}  # of each core module that there was, in the output
        self._places: dict[int, int] = {}  # of each core instance that there was, its module in the output
        self._number_modules()

    def _number_modules(self) -> None:
        """Decides which core module of the output each instance has: one that has several gets copies."""
        count = 0
        cores = self._scope.cores if self._scope else {}
        for placed in self._component.definitions:
            if _sort_of(placed.definition) != "core module":
                continue
            before = len(self._numbers)
            self._numbers[before] = count
            contents = self._contents(placed.start) if isinstance(placed.definition, CoreModule) else []
            if len(contents) > 1:
                self._check_named_here(placed, before)
            for instance in self._of_module.get(placed.start, ()):
                if isinstance(placed.definition, CoreModule) and instance in cores:
                    self._places[cores[instance]] = count + contents.index(self._written.modules[instance])
            count += max(1, len(contents))
        self._count = count

    def _contents(self, start: int) -> list[bytes]:
        """The modules that the instances of one have in the output, each once."""
        return list(dict.fromkeys(self._written.modules[one] for one in self._of_module.get(start, ())))

    def _check_named_here(self, placed: Placed, number: int) -> None:
        """Copies are told apart where an instance is made in this component; elsewhere, nothing could name them."""
        cores = self._scope.cores if self._scope else {}
        here = all(instance in cores for instance in self._of_module[placed.start])
        if not here or self._names_modules():
            instances = counted(len(self._of_module[placed.start]), "instance")
            raise Unsupported(
                f"core module {number} of a component has {instances}, and other components name it",
                where=f"byte offset {placed.start:#x}",
                hint="Have each component hold the core modules that it instantiates.",
            )

    def _names_modules(self) -> bool:
        """Whether anything but core instances names core modules of this component."""
        for placed in self._component.definitions:
            match placed.definition:
                case Export(_, "core module", _) | Outer("core module", _, _) | InstanceExport("core module", _, _):
                    return True
                case Instantiate(_, arguments) if any(sort == "core module" for _, sort, _ in arguments):
                    return True
                case Nested(component) if _names_outer_modules(component):
                    return True
        return False

    # -- sections

    def pieces(self) -> Iterator[bytes]:
        yield self._data[self._component.start : self._component.start + 8]
        instances = 0
        for section in self._component.sections:
            placed = self._component.of(section)
            if section.id == CORE_MODULE:
                contents = self._contents(section.start) or [self._data[section.start : section.end]]
                for content in contents:
                    yield writer.nested(CORE_MODULE, content)
            elif section.id == COMPONENT:
                yield self._nested(placed[0].definition)
            elif section.id == CORE_INSTANCE:
                yield writer.section(CORE_INSTANCE, list(self._core_instances(placed, instances)))
                instances += len(placed)
            elif section.id == EXPORT and any(self._is_removed(one.definition) for one in placed):
                yield from self._exports(placed)
            elif section.id == CUSTOM and section.title == "component-name" and self._moved:
                yield writer.renumbered_names(self._data, section, self._numbers)
            else:
                yield self._as_it_was(section)
        fixup = self._written.fixups.get(self._scope) if self._scope else None
        if fixup and self._scope:
            yield from fixup.sections(self._scope, self._count)

    @property
    def _moved(self) -> bool:
        return any(number != before for before, number in self._numbers.items())

    def _as_it_was(self, section: Section) -> bytes:
        return self._data[section.header : section.end]

    def _nested(self, definition: Definition) -> bytes:
        assert isinstance(definition, Nested)
        given = (self._of_component, self._of_module, self._written, frozenset[str]())
        return writer.nested(COMPONENT, b"".join(_Writer(definition.component, *given).pieces()))

    def _core_instances(self, placed: Sequence[Placed], first: int) -> Iterator[bytes]:
        for index, (definition, start, end) in enumerate(placed, first):
            if isinstance(definition, CoreInstantiate):
                module = self._places.get(index, self._numbers.get(definition.module, definition.module))
                if module != definition.module:
                    yield writer.with_module(self._data, start, end, module)
                    continue
            else:
                assert isinstance(definition, CoreBundle)
            yield self._data[start:end]

    # -- exports

    def _is_removed(self, definition: Definition) -> bool:
        return isinstance(definition, Export) and definition.sort == "func" and definition.name in self._removed

    def _exports(self, placed: Sequence[Placed]) -> Iterator[bytes]:
        """Export sections without what is removed; an export has an index of its own, which its function takes."""
        kept: list[bytes] = []
        for definition, start, end in placed:
            if not self._is_removed(definition):
                kept.append(self._data[start:end])
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


def _names_outer_modules(component: Component) -> bool:
    for placed in component.definitions:
        if isinstance(placed.definition, Outer) and placed.definition.sort == "core module":
            return True
        if isinstance(placed.definition, Nested) and _names_outer_modules(placed.definition.component):
            return True
    return False


def _sort_of(definition: Definition) -> str:
    """To which index space a definition adds, of those that are asked about."""
    match definition:
        case CoreModule():
            return "core module"
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
