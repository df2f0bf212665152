"""From types as the binary says them to types by which values are passed; what is imported, by its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ...binary.component.types import (
    Asynchronous,
    ComponentOf,
    CoreType,
    Declaration,
    Declare,
    DeclareAlias,
    Enum,
    FunctionOf,
    HandleOf,
    InstanceOf,
    ListOf,
    OptionOf,
    Primitive,
    ResultOf,
    TupleOf,
    TypeOf,
    ValueTypeOf,
)
from ...binary.component.types import Flags as FlagsOf
from ...binary.component.types import Record as RecordOf
from ...binary.component.types import Variant as VariantOf
from ...errors import EngineLimit, InvalidModule
from ...tuples import NamedTuple
from .aggregates import Borrow, Flags, List, Own, Record, Variant, option_of, result_of
from .functions import Function, FunctionType
from .handles import ResourceType
from .scope import Scope
from .values import PRIMITIVES, Refused, ValueType

#: Things that the types of imports may declare, those within others counted again each time.
_MOST_DECLARED = 1_000_000


class Outside(Protocol):
    """Whoever provides imports, by interface (without version where that does not matter) and name."""

    def function(self, interface: str, name: str) -> Callable[..., Any]:
        """What an import does. What there is not, fails when it is called."""

    def resource(self, interface: str, name: str) -> ResourceType:
        """The resource type of that name: one for each."""

    def declared(self) -> int:
        """Counts one thing that an import's type declares; how many there are by now."""


class DefinedInstance(NamedTuple):
    """The type of an instance, and where it was written: its outer types are those of that place."""

    declarations: tuple[Declaration, ...]
    scope: Scope


def value_type(scope: Scope, named: ValueTypeOf | None) -> ValueType:
    """The type that is named."""
    if isinstance(named, str):
        return PRIMITIVES[named]
    found = scope.get("type", named)
    if not isinstance(found, ValueType):
        raise scope.invalid(f"type {named} is used for values, and is another one")
    return found


def _resource(scope: Scope, number: int) -> ResourceType:
    found = scope.get("type", number)
    if not isinstance(found, ResourceType):
        raise scope.invalid(f"type {number} is used for handles, and is no resource")
    return found


def define_type(scope: Scope, written: TypeOf) -> Any:
    """The type that a definition says. Raises `InvalidModule`, `EngineLimit`."""
    if isinstance(written, Primitive):
        return PRIMITIVES[written.name]

    def one(named: ValueTypeOf | None) -> ValueType:
        return value_type(scope, named)

    def maybe(named: ValueTypeOf | None) -> ValueType | None:
        return None if named is None else one(named)

    match written:
        case RecordOf(fields):
            return Record([one(named) for _, named in fields], [name for name, _ in fields])
        case TupleOf(types):
            return Record([one(named) for named in types], None)
        case ListOf(element, length):
            return List(one(element)) if length is None else Refused("a list of fixed length", one(element), length)
        case FlagsOf(labels):
            return Flags(labels)
        case Enum(labels):
            return Variant("enum", labels, [None] * len(labels))
        case VariantOf(cases):
            return Variant("variant", [label for label, _ in cases], [maybe(named) for _, named in cases])
        case OptionOf(named):
            return option_of(one(named))
        case ResultOf(ok, error):
            return result_of(maybe(ok), maybe(error))
        case HandleOf(owns, number):
            return Own(_resource(scope, number)) if owns else Borrow(_resource(scope, number))
        case Asynchronous(name):
            return Refused(name)
        case FunctionOf(parameters, result, is_async):
            taken = [one(named) for _, named in parameters]
            return FunctionType([name for name, _ in parameters], taken, maybe(result), is_async)
        case InstanceOf(declarations):
            return DefinedInstance(declarations, scope)
        case ComponentOf():
            return written
    raise InvalidModule("the component is not valid: it defines a resource type within the type of an import")


def outside_instance(interface: str, declared: DefinedInstance, outside: Outside) -> dict[str, tuple[str, Any]]:
    """An instance that comes from outside, as its type declares it."""
    if not isinstance(declared, DefinedInstance):
        raise InvalidModule("the component is not valid: it imports an instance whose type is that of something else")
    local = Scope(None, declared.scope, declared.scope.sizes())
    local.offset = declared.scope.offset
    exports: dict[str, tuple[str, Any]] = {}
    for entry in declared.declarations:
        if outside.declared() > _MOST_DECLARED:
            raise EngineLimit(f"the types of the component's imports declare more than {_MOST_DECLARED:,} things")
        match entry:
            case CoreType():
                local.add("core type", None)
            case DeclareAlias(sort, number, None, name):
                local.add(sort, local.exported(number, sort, name))
            case DeclareAlias(sort, number, levels, _):
                local.add(sort, local.outer(sort, levels or 0, number))
            case Declare(True, name, extern):
                item = _outside_export(interface, name, extern.sort, extern.type, local, outside)
                local.add(extern.sort, item)
                exports[name] = extern.sort, item
            case Declare():
                raise InvalidModule("the component is not valid: the type of an instance has an import")
            case _:
                local.add("type", define_type(local, entry))
    return exports


def _outside_export(interface: str, name: str, sort: str, number: int | None, local: Scope, outside: Outside) -> Any:
    if sort == "type":
        return outside.resource(interface, name) if number is None else local.get("type", number)
    found = local.get("type", number)
    if sort == "func" and isinstance(found, FunctionType):
        return Function(found, outside.function(interface, name), f"{interface}#{name}")
    if sort == "instance":
        return outside_instance(f"{interface}/{name}", found, outside)
    return None
