"""Types: https://webassembly.github.io/spec/core/binary/types.html .

A value type is kept as its encoded bytes (`I32 == b"\\x7f"`, `(ref null $t)` is `b"\\x63"` and the heap type's bytes):
nothing is lost that this version doesn't know, and it can be written back as it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UnsupportedProposal
from ..tuples import NamedTuple
from .cursor import MOST_ITEMS, Cursor

ValType = bytes

I32, I64, F32, F64, V128 = b"\x7f", b"\x7e", b"\x7d", b"\x7c", b"\x7b"
FUNCREF, EXTERNREF = b"\x70", b"\x6f"

#: Sizes in bytes of the types whose values are bits.
NUMERIC_SIZES = {I32: 4, I64: 8, F32: 4, F64: 8, V128: 16}

_NUMBERS = {number[0]: number for number in NUMERIC_SIZES}
_ALL_NUMBERS = bytes(_NUMBERS)

_NAMES = {
    I32: "i32",
    I64: "i64",
    F32: "f32",
    F64: "f64",
    V128: "v128",
    FUNCREF: "funcref",
    EXTERNREF: "externref",
    b"\x6e": "anyref",
    b"\x6d": "eqref",
    b"\x6c": "i31ref",
    b"\x6b": "structref",
    b"\x6a": "arrayref",
    b"\x69": "exnref",
    b"\x68": "contref",
    b"\x71": "nullref",
    b"\x72": "nullexternref",
    b"\x73": "nullfuncref",
    b"\x74": "nullexnref",
    b"\x75": "nullcontref",
}
_REF, _REF_NULL = 0x64, 0x63

#: Proposals that no engine runs by now, and what they add to types:
#: https://github.com/WebAssembly/custom-descriptors , https://github.com/WebAssembly/shared-everything-threads ,
#: https://github.com/WebAssembly/stringref
DESCRIPTORS, SHARED_EVERYTHING, _STRINGS = "custom descriptors", "shared-everything threads", "stringref"
_EXACT, _SHARED_TYPE, _STRING = 0x62, 0x65, 0x67
_DESCRIPTOR, _DESCRIBES = 0x4D, 0x4C


def type_name(value_type: ValType) -> str:
    """The type as the text format writes it."""
    known = _NAMES.get(value_type)
    if known:
        return known
    null = "null " if value_type[0] == _REF_NULL else ""
    heap = _NAMES.get(value_type[1:])
    return f"(ref {null}{heap.removesuffix('ref') if heap else '$' + str(_index(value_type[1:]))})"


def _index(raw: bytes) -> int:
    return sum((byte & 0x7F) << 7 * position for position, byte in enumerate(raw))


def is_numeric(value_type: ValType) -> bool:
    """True for the types whose values are plain bits (number and vector types)."""
    return value_type in NUMERIC_SIZES


def is_nullable(reference_type: ValType) -> bool:
    return reference_type[0] != _REF


def read_value_type(cursor: Cursor) -> ValType:
    start = cursor.position
    code = cursor.byte()
    if (number := _NUMBERS.get(code)) is not None:  # nearly all
        return number
    if code in (_SHARED_TYPE, _STRING):
        raise _of_proposal(cursor, code, start)
    if code in (_REF, _REF_NULL):
        check_heap_type(cursor)
        heap = cursor.peek()
        if cursor.signed(33) < 0 and (cursor.position != start + 2 or bytes((heap,)) not in _NAMES or heap > 0x75):
            raise cursor.fail(f"{heap:#x} is not a heap type", start + 1)
    elif bytes((code,)) not in _NAMES:
        raise cursor.fail(f"{code:#x} is not a value type", start)
    return cursor.buffer[start : cursor.position]


def check_heap_type(cursor: Cursor) -> None:
    """Refuses a heap type, which comes next, that only a proposal has. Raises `UnsupportedProposal`."""
    heap = cursor.peek()
    if heap in (_EXACT, _SHARED_TYPE, _STRING):
        raise _of_proposal(cursor, heap, cursor.position)


def _of_proposal(cursor: Cursor, code: int, at: int) -> UnsupportedProposal:
    if code == _EXACT:
        return cursor.lacks("an exact reference type", DESCRIPTORS, at)
    if code == _STRING:
        return cursor.lacks("a reference to a string", _STRINGS, at)
    return cursor.lacks("a shared reference type", SHARED_EVERYTHING, at)


class Limits(NamedTuple):
    """Limits of a memory (in pages) or a table (in elements).

    `page_size_log2` is None unless the memory names its page size (custom page sizes proposal).
    """

    minimum: int
    maximum: int | None
    shared: bool = False
    is_64: bool = False
    page_size_log2: int | None = None

    @property
    def page_size(self) -> int:
        """Bytes of one page."""
        return 1 << (16 if self.page_size_log2 is None else self.page_size_log2)


_HAS_MAXIMUM, _SHARED, _IS_64, _PAGE_SIZE = 1, 2, 4, 8


def read_limits(cursor: Cursor) -> Limits:
    start = cursor.position
    flags = cursor.byte()
    if flags > 0xF:
        raise cursor.fail(f"limits with unknown flags {flags:#x}", start)
    read = cursor.u64 if flags & _IS_64 else cursor.u32
    minimum = read()
    maximum = read() if flags & _HAS_MAXIMUM else None
    page_size_log2 = cursor.u32() if flags & _PAGE_SIZE else None
    if page_size_log2 is not None and page_size_log2 > 16:
        raise cursor.fail(f"a page size of 2**{page_size_log2} bytes", start)
    return Limits(minimum, maximum, bool(flags & _SHARED), bool(flags & _IS_64), page_size_log2)


class FuncType(NamedTuple):
    params: tuple[ValType, ...]
    results: tuple[ValType, ...]

    def __str__(self) -> str:
        def side(types: tuple[ValType, ...]) -> str:
            return "(" + ", ".join(map(type_name, types)) + ")"

        return f"{side(self.params)} -> {side(self.results)}"


class TypeSection(NamedTuple):
    """`functions[i]` is the function type with type index i, None where the index is a struct, array or continuation.

    `has_gc`: recursion groups, subtypes, structs or arrays. `has_continuations`: stack switching. `fields`: of each
    struct or array, by type index, the types that its fields have as operands.
    """

    functions: tuple[FuncType | None, ...]
    has_gc: bool
    has_continuations: bool
    fields: Mapping[int, tuple[ValType, ...]]


def read_types(cursor: Cursor) -> TypeSection:
    functions: list[FuncType | None] = []
    fields: dict[int, tuple[ValType, ...]] = {}
    has_gc = has_continuations = False

    known: dict[bytes, tuple[ValType, ...]] = {}  # lists of numeric types, which are few, by their bytes
    buffer, end = cursor.buffer, cursor.end

    def value_types() -> tuple[ValType, ...]:
        start = cursor.position + 1
        size = buffer[start - 1] if start <= end else 0x80
        if size < 0x80 and size <= end - start:  # nearly all
            listed = buffer[start : start + size]
            found = known.get(listed)
            if found is None and not listed.translate(None, _ALL_NUMBERS):
                found = known[listed] = tuple([_NUMBERS[number] for number in listed])
            if found is not None:
                cursor.position = start + size
                return found
        return tuple(read_value_type(cursor) for _ in range(cursor.count()))

    def field() -> ValType:
        value_type = I32
        if cursor.peek() in (0x77, 0x78):  # packed i16, i8
            cursor.byte()
        else:
            value_type = read_value_type(cursor)
        cursor.byte()
        return value_type

    def composite() -> None:
        nonlocal has_gc, has_continuations
        start = cursor.position
        if len(functions) >= MOST_ITEMS:  # in all recursion groups together
            raise cursor.exceeds(f"more than {MOST_ITEMS:,} types", start)
        form = cursor.byte()
        if form in (0x50, 0x4F):  # sub, sub final
            has_gc = True
            cursor.u32s(cursor.count())
            start = cursor.position
            form = cursor.byte()
        if form == 0x60:
            functions.append(FuncType(value_types(), value_types()))
            return
        functions.append(None)
        if form == 0x5F:
            has_gc = True
            fields[len(functions) - 1] = tuple(field() for _ in range(cursor.count(2)))
        elif form == 0x5E:
            has_gc = True
            fields[len(functions) - 1] = (field(),)
        elif form == 0x5D:
            has_continuations = True
            cursor.signed(33)
        elif form in (_DESCRIPTOR, _DESCRIBES):
            raise cursor.lacks("a type with a descriptor", DESCRIPTORS, start)
        elif form == _SHARED_TYPE:
            raise cursor.lacks("a shared type", SHARED_EVERYTHING, start)
        else:
            raise UnsupportedProposal(f"a type of unknown form {form:#x}", where=f"byte offset {start:#x}")

    for _ in range(cursor.count()):
        if cursor.peek() == 0x4E:  # rec
            has_gc = True
            cursor.byte()
            for _ in range(cursor.count()):
                composite()
        else:
            composite()
    return TypeSection(tuple(functions), has_gc, has_continuations, fields)
