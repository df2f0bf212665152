"""Types of components, as they stand in the binary.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#type-definitions
"""

from __future__ import annotations

from ...errors import UnsupportedProposal
from ...tuples import NamedTuple
from ..cursor import Cursor

#: A value type: the name of a primitive type, or the index of a type.
ValueTypeOf = str | int

#: Types within types, components within components: as deep as engines take them.
DEEPEST = 100

PRIMITIVES = {
    0x7F: "bool", 0x7E: "s8", 0x7D: "u8", 0x7C: "s16", 0x7B: "u16", 0x7A: "s32", 0x79: "u32", 0x78: "s64", 0x77: "u64",
    0x76: "f32", 0x75: "f64", 0x74: "char", 0x73: "string", 0x64: "error-context",
}  # fmt: skip

CORE_SORTS = {
    0: "core func", 1: "core table", 2: "core memory", 3: "core global", 4: "core tag",
    0x10: "core type", 0x11: "core module", 0x12: "core instance",
}  # fmt: skip
SORTS = {1: "func", 2: "value", 3: "type", 4: "component", 5: "instance"}


class Primitive(NamedTuple):
    name: str


class Record(NamedTuple):
    fields: tuple[tuple[str, ValueTypeOf], ...]


class Variant(NamedTuple):
    cases: tuple[tuple[str, ValueTypeOf | None], ...]


class ListOf(NamedTuple):
    element: ValueTypeOf
    length: int | None


class TupleOf(NamedTuple):
    types: tuple[ValueTypeOf, ...]


class Flags(NamedTuple):
    labels: tuple[str, ...]


class Enum(NamedTuple):
    labels: tuple[str, ...]


class OptionOf(NamedTuple):
    type: ValueTypeOf


class ResultOf(NamedTuple):
    ok: ValueTypeOf | None
    error: ValueTypeOf | None


class HandleOf(NamedTuple):
    """`owns`: an `own`, else a `borrow`."""

    owns: bool
    resource: int


class Asynchronous(NamedTuple):
    """A stream, a future, and what else no initializer can be given."""

    name: str


class ResourceOf(NamedTuple):
    """A resource type of the component itself; `destructor`: a core function."""

    destructor: int | None


class FunctionOf(NamedTuple):
    parameters: tuple[tuple[str, ValueTypeOf], ...]
    result: ValueTypeOf | None
    is_async: bool


class ExternType(NamedTuple):
    """What is imported or exported: `sort`, and the index of its type; of a type the one that it is, None: abstract."""

    sort: str
    type: int | None


class Declare(NamedTuple):
    """An import or export within the type of a component or instance."""

    is_export: bool
    name: str
    type: ExternType


class DeclareAlias(NamedTuple):
    """An alias within such a type: of what is `levels` further out, or of the export `name` of an instance."""

    sort: str
    number: int
    levels: int | None = None
    name: str = ""


class CoreType(NamedTuple):
    """A core type; only the types of core modules are read, and what is in them is not kept."""

    kind: str


class InstanceOf(NamedTuple):
    declarations: tuple[Declaration, ...]


class ComponentOf(NamedTuple):
    declarations: tuple[Declaration, ...]


TypeOf = (
    Primitive | Record | Variant | ListOf | TupleOf | Flags | Enum | OptionOf | ResultOf | HandleOf | Asynchronous
    | ResourceOf | FunctionOf | InstanceOf | ComponentOf
)  # fmt: skip
Declaration = CoreType | TypeOf | Declare | DeclareAlias


def lacks(at: Cursor, what: str, offset: int) -> UnsupportedProposal:
    """The error for something of a component that is not understood."""
    return UnsupportedProposal(
        f"the component has {what}, which preinit does not know",
        where=f"byte offset {offset:#x}",
        hint="Build the component with tools that write WASI 0.2 components.",
    )


def read_sort(at: Cursor) -> str:
    start = at.position
    kind = at.byte()
    found = CORE_SORTS.get(at.byte()) if kind == 0 else SORTS.get(kind)
    if found is None:
        raise lacks(at, f"a sort {kind:#x}", start)
    return found


def read_core_sort(at: Cursor) -> str:
    start = at.position
    kind = at.byte()
    if kind not in CORE_SORTS:
        raise lacks(at, f"a core sort {kind:#x}", start)
    return CORE_SORTS[kind]


def read_extern_name(at: Cursor) -> str:
    start = at.position
    if at.byte() > 1:
        raise lacks(at, "a name with attributes", start)
    return at.name()


def read_extern_type(at: Cursor) -> ExternType:
    start = at.position
    kind = at.byte()
    if kind == 0:
        if at.byte() != 0x11:
            raise lacks(at, "a core import that is no module", start)
        return ExternType("core module", at.u32())
    if kind == 3:
        bound = at.byte()
        if bound > 1:
            raise lacks(at, f"a type bound {bound:#x}", start)
        return ExternType("type", at.u32() if bound == 0 else None)
    if kind in (1, 4, 5):
        return ExternType(SORTS[kind], at.u32())
    raise lacks(at, "an import of a value", start)


def read_value_type(at: Cursor) -> ValueTypeOf:
    start = at.position
    number = at.signed(33)
    if number >= 0:
        return number
    name = PRIMITIVES.get(number & 0x7F) if number >= -64 else None
    if name is None:
        raise lacks(at, f"a value type {number & 0x7F:#x}", start)
    return name


def _optional(at: Cursor) -> ValueTypeOf | None:
    start = at.position
    present = at.byte()
    if present > 1:
        raise at.fail(f"an optional type that starts with {present:#x}", start)
    return read_value_type(at) if present else None


def _labels(at: Cursor) -> tuple[str, ...]:
    return tuple(at.name() for _ in range(at.count()))


def _case(at: Cursor) -> tuple[str, ValueTypeOf | None]:
    start = at.position
    found = at.name(), _optional(at)
    if at.byte():
        raise lacks(at, "a case that refines another", start)
    return found


def _fields(at: Cursor) -> tuple[tuple[str, ValueTypeOf], ...]:
    return tuple((at.name(), read_value_type(at)) for _ in range(at.count(2)))


def read_type(at: Cursor, depth: int = 0) -> TypeOf:
    """A definition of a type. Raises `Malformed`, `UnsupportedProposal`."""
    start = at.position
    if depth > DEEPEST:
        raise at.exceeds(f"types within types, more than {DEEPEST} deep", start)
    kind = at.byte()
    if kind in PRIMITIVES:
        return Primitive(PRIMITIVES[kind])
    match kind:
        case 0x72:
            return Record(_fields(at))
        case 0x71:
            return Variant(tuple(_case(at) for _ in range(at.count(3))))
        case 0x70:
            return ListOf(read_value_type(at), None)
        case 0x67:
            return ListOf(read_value_type(at), at.u32())
        case 0x6F:
            return TupleOf(tuple(read_value_type(at) for _ in range(at.count())))
        case 0x6E:
            return Flags(_labels(at))
        case 0x6D:
            return Enum(_labels(at))
        case 0x6B:
            return OptionOf(read_value_type(at))
        case 0x6A:
            return ResultOf(_optional(at), _optional(at))
        case 0x69 | 0x68:
            return HandleOf(kind == 0x69, at.u32())
        case 0x66 | 0x65:
            _optional(at)
            return Asynchronous("stream" if kind == 0x66 else "future")
        case 0x3F:
            if at.byte() != 0x7F:
                raise lacks(at, "a resource whose representation is no i32", start)
            return ResourceOf(at.u32() if at.byte() else None)
        case 0x40 | 0x43:
            return _function(at, kind == 0x43)
        case 0x41:
            return ComponentOf(_declarations(at, depth))
        case 0x42:
            return InstanceOf(_declarations(at, depth))
    raise lacks(at, f"a type of form {kind:#x}", start)


def _function(at: Cursor, is_async: bool) -> FunctionOf:
    parameters = _fields(at)
    start = at.position
    if at.byte() == 0:
        return FunctionOf(parameters, read_value_type(at), is_async)
    if at.byte():
        raise lacks(at, "a function with named results", start)
    return FunctionOf(parameters, None, is_async)


def _declarations(at: Cursor, depth: int) -> tuple[Declaration, ...]:
    return tuple(_declaration(at, depth) for _ in range(at.count(2)))


def _declaration(at: Cursor, depth: int) -> Declaration:
    start = at.position
    kind = at.byte()
    match kind:
        case 0:
            return read_core_type(at)
        case 1:
            return read_type(at, depth + 1)
        case 2:
            sort = read_sort(at)
            how = at.byte()
            if how == 2:
                levels = at.u32()
                return DeclareAlias(sort, at.u32(), levels)
            if how:
                raise lacks(at, f"an alias of kind {how:#x} in a type", start)
            index = at.u32()
            return DeclareAlias(sort, index, None, at.name())
        case 3 | 4:
            name = read_extern_name(at)
            return Declare(kind == 4, name, read_extern_type(at))
    raise lacks(at, f"a declaration of kind {kind:#x}", start)


def read_core_type(at: Cursor, depth: int = 0) -> CoreType:
    """A core type. Its parts are read past."""
    start = at.position
    kind = at.byte()
    if kind == 0x60:
        for _ in range(2):
            at.skip(at.count())
        return CoreType("function")
    if kind != 0x50 or depth > 1:
        raise lacks(at, f"a core type of form {kind:#x}", start)
    for _ in range(at.count(2)):
        _core_declaration(at, depth)
    return CoreType("module")


def _core_declaration(at: Cursor, depth: int) -> None:
    start = at.position
    match at.byte():
        case 0:
            at.name()
            at.name()
            _core_extern(at)
        case 1:
            read_core_type(at, depth + 1)
        case 2:
            at.skip(2)
            at.u32()
            at.u32()
        case 3:
            at.name()
            _core_extern(at)
        case other:
            raise lacks(at, f"a declaration of kind {other:#x} in the type of a core module", start)


def _core_extern(at: Cursor) -> None:
    start = at.position
    match at.byte():
        case 0:
            at.u32()
        case 1:
            at.skip(1)
            _limits(at)
        case 2:
            _limits(at)
        case 3:
            at.skip(2)
        case 4:
            at.skip(1)
            at.u32()
        case other:
            raise lacks(at, f"an import of kind {other:#x} in the type of a core module", start)


def _limits(at: Cursor) -> None:
    flags = at.byte()
    at.u64()
    if flags & 1:
        at.u64()
