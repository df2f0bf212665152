"""Instantiating a component: its definitions in order, core instances by `Cores`, functions in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ...binary.component.recipe import (
    Bundle,
    CanonOptions,
    Component,
    CoreBundle,
    CoreExport,
    CoreInstantiate,
    CoreModule,
    DefineCoreType,
    DefineType,
    Definition,
    Export,
    Import,
    InstanceExport,
    Instantiate,
    Lift,
    Lower,
    Nested,
    Outer,
    ResourceFunction,
    Unsupported,
)
from ...binary.component.types import ResourceOf
from ...binary.sections import ExternKind
from ...binary.sections import Import as CoreImport
from ...binary.types import I32, FuncType
from ...errors import EngineLimit, InvalidModule, UnsupportedProposal, quoted
from .cores import KINDS, CoreInstance, Cores, Extern, Placeholder
from .functions import REALLOC, Canonical, Function, FunctionType
from .handles import ResourceType
from .scope import Item, NestedComponent, Scope
from .types import DefinedInstance, Outside, define_type, outside_instance

#: Instances, core ones included, that a component may have: a component may instantiate another one twice, and that
#: one others, and so on.
MOST_INSTANCES = 1_000

_DESTRUCTOR = FuncType((I32,), ())


class CoreBundled:
    """A core instance that is made of what others export."""

    def __init__(self, items: Mapping[str, tuple[str, Any]]) -> None:
        self._items = items

    def export(self, sort: str, name: str) -> Extern:
        found = self._items.get(name)
        if found is None or found[0] != sort:
            raise InvalidModule(f"the component is not valid: a core instance has no {sort[5:]} {quoted(name)}")
        extern: Extern = found[1]
        return extern


class CoreSource(Protocol):
    def export(self, sort: str, name: str) -> Extern: ...


_SORTS = {kind: sort for sort, kind in KINDS.items()}


class Machine:
    """Instantiates a component, and what it nests. `scopes`: their instances, in the order in which they were begun."""

    def __init__(self, cores: Cores, outside: Outside) -> None:
        self._cores = cores
        self._outside = outside
        self._instances = 0
        self.scopes: list[Scope] = []

    def run(self, component: Component) -> Scope:
        """An instance of the outermost component. Raises what the guest's start functions raise."""
        return self._instantiate(component, None, None, {})

    def _count(self) -> None:
        self._instances += 1
        if self._instances > MOST_INSTANCES:
            raise EngineLimit(
                f"the component makes more than {MOST_INSTANCES:,} instances", hint="Have it nest fewer components."
            )

    def _instantiate(
        self,
        component: Component,
        given: Mapping[str, Item] | None,
        parent: Scope | None,
        visible: Mapping[str, int],
    ) -> Scope:
        self._count()
        scope = Scope(component, parent, visible, self._cores.where)
        self.scopes.append(scope)
        for definition, start, _ in component.definitions:
            scope.offset = start
            if type(definition) is CoreExport:  # of some components there are thousands
                sort, number, name = definition
                source: CoreSource = scope.get("core instance", number)
                scope.add(sort, source.export(sort, name))
            else:
                self._define(scope, definition, given)
        return scope

    def _define(self, scope: Scope, definition: Definition, given: Mapping[str, Item] | None) -> None:
        match definition:
            case DefineType(ResourceOf(destructor)):
                scope.add("type", self._resource(scope, destructor))
            case DefineType(found_type):
                scope.add("type", define_type(scope, found_type))
            case CoreModule(start, _):
                scope.add("core module", start)
            case CoreInstantiate(module, arguments):
                self._core_instantiate(scope, module, arguments)
            case CoreBundle(exports):
                items = {name: (sort, scope.get(sort, index)) for name, sort, index in exports}
                scope.add("core instance", CoreBundled(items))
            case DefineCoreType():
                scope.add("core type", None)
            case Nested(component):
                scope.add("component", NestedComponent(component, scope, scope.sizes()))
            case Instantiate(number, arguments):
                nested: NestedComponent = scope.get("component", number)
                found = {name: (sort, scope.get(sort, index)) for name, sort, index in arguments}
                made = self._instantiate(nested.component, found, nested.scope, nested.visible)
                scope.children[scope.offset] = made
                scope.add("instance", made.exports)
            case Bundle(exports):
                scope.add("instance", {name: (sort, scope.get(sort, index)) for name, sort, index in exports})
            case InstanceExport(sort, number, name):
                scope.add(sort, scope.exported(number, sort, name))
            case Outer(sort, levels, number):
                scope.add(sort, scope.outer(sort, levels, number))
            case Import():
                scope.add(definition.type.sort, self._import(scope, definition, given))
            case Export(name, sort, number):
                item = scope.get(sort, number)
                scope.exports[name] = sort, item
                scope.add(sort, item)
            case _:
                self._canonical(scope, definition)

    # -- core instances

    def _core_instantiate(self, scope: Scope, module: int, arguments: Sequence[tuple[str, int]]) -> None:
        self._count()
        sources: dict[str, CoreSource] = {name: scope.get("core instance", index) for name, index in arguments}

        def lookup(entry: CoreImport) -> Extern:
            source = sources.get(entry.module)
            if source is None:
                raise InvalidModule(f"the component is not valid: it gives a core module no {quoted(entry.module)}")
            return source.export(_SORTS[entry.kind], entry.name)

        made = self._cores.instantiate(scope.get("core module", module), lookup)
        scope.cores[made] = scope.size("core instance")
        scope.add("core instance", made)

    # -- what comes from outside

    def _import(self, scope: Scope, entry: Import, given: Mapping[str, Item] | None) -> Any:
        sort, number = entry.type
        if given is not None:
            found = given.get(entry.name)
            if found is None or found[0] != sort:
                raise InvalidModule(
                    f"the component is not valid: it gives a component no {sort} {quoted(entry.name)}",
                    where=f"byte offset {scope.offset:#x}",
                )
            return found[1]
        if sort == "instance":
            declared: DefinedInstance = scope.get("type", number)
            return outside_instance(entry.name, declared, self._outside)
        if sort == "func":
            signature: FunctionType = scope.get("type", number)
            return Function(signature, self._outside.function("", entry.name), entry.name)
        if sort == "type":
            return self._outside.resource("", entry.name) if number is None else scope.get("type", number)
        raise UnsupportedProposal(
            f"the component imports a {sort}, {quoted(entry.name)}, which there is none of at build time",
            hint="Compose it with the component that has it (`wac plug`), then build that.",
        )

    # -- canonical functions

    def _resource(self, scope: Scope, destructor: int | None) -> ResourceType:
        resource = ResourceType(f"resource {scope.size('type')}", scope.handles)
        if destructor is not None:
            call = self._core_call(scope, destructor, _DESTRUCTOR, "the destructor of a resource")
            resource.destructor = lambda representation: call((representation,), 0)
        return resource

    def _core_call(
        self, scope: Scope, number: int, wanted: FuncType, what: str
    ) -> Callable[[Sequence[int], int], list[int]]:
        extern: Extern = scope.get("core func", number)
        if extern.signature != wanted:
            raise InvalidModule(
                f"the component is not valid: {what} has type {extern.signature}, not {wanted}",
                where=f"byte offset {scope.offset:#x}",
            )
        return lambda arguments, results: self._cores.call(extern, arguments, results)

    def _options(self, scope: Scope, options: CanonOptions, post_return: FuncType | None = None) -> Canonical:
        memory = None
        if options.memory is not None:
            extern: Extern = scope.get("core memory", options.memory)
            if extern.owner is not None and extern.owner.module.memories[extern.index].is_64:
                raise UnsupportedProposal("the component passes values by way of a memory of 64 bits")
            memory = self._cores.memory(extern)
        realloc, after = None, None
        if options.realloc is not None:
            realloc = self._core_call(scope, options.realloc, REALLOC, "a realloc")
        if options.post_return is not None and post_return is not None:
            after = self._core_call(scope, options.post_return, post_return, "a post-return function")
        return Canonical(scope.handles, memory, realloc, options.encoding, after)

    def _canonical(self, scope: Scope, definition: Definition) -> None:
        match definition:
            case Lift(number, options, type_number):
                signature: FunctionType = scope.get("type", type_number)
                if options.is_async or signature.is_async:
                    scope.add("func", Function(signature, _refuses("an asynchronous export")))
                    return
                core = signature.core(False)
                call = self._core_call(scope, number, core, "a lifted core function")
                canonical = self._options(scope, options, FuncType(core.results, ()))
                scope.add("func", canonical.lifted(call, signature))
            case Lower(number, options):
                function: Function = scope.get("func", number)
                if options.is_async or function.type.is_async:
                    self._add_placeholder(scope, "an import that is lowered asynchronously")
                    return
                self._add(scope, function.type.core(True), self._options(scope, options).lowered(function))
            case ResourceFunction(what, number):
                resource: ResourceType = scope.get("type", number)
                self._add(scope, *_resource_function(scope, what, resource))
            case Unsupported(name):
                self._add_placeholder(scope, f"the canonical function {name}")

    def _add(self, scope: Scope, signature: FuncType, function: Callable[..., int | None]) -> None:
        raw = self._cores.define(signature, function)
        scope.add("core func", Extern(ExternKind.FUNC, None, scope.size("core func"), signature, raw))

    def _add_placeholder(self, scope: Scope, name: str) -> None:
        define = self._cores.define
        scope.add("core func", Placeholder(name, lambda wanted, what: define(wanted, _refuses(what))))


def _refuses(what: str) -> Callable[..., Any]:
    def refuse(*_arguments: Any) -> Any:
        raise UnsupportedProposal(
            f"the initializer called {what}, and asynchronous calls can't be done at build time",
            hint="Move that out of the initializer.",
        )

    return refuse


def _resource_function(scope: Scope, what: str, resource: ResourceType) -> tuple[FuncType, Callable[..., int | None]]:
    handles = scope.handles
    if what == "new":
        return FuncType((I32,), (I32,)), lambda representation: handles.add(resource, representation, True)
    if what == "rep":
        return FuncType((I32,), (I32,)), lambda index: handles.get(index, resource).representation

    def drop(index: int) -> None:
        handles.check_leaving()
        handles.drop(index, resource)

    return FuncType((I32,), ()), drop


def core_instances(machine: Machine) -> list[tuple[Scope, CoreInstance, int]]:
    """All core instances: in which instance of a component, and their index there."""
    return [(scope, core, index) for scope in machine.scopes for core, index in scope.cores.items()]
