"""The entries of each section: https://webassembly.github.io/spec/core/binary/modules.html ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TypeVar

from ..enums import IntEnum
from ..tuples import NamedTuple
from .constexpr import ConstantExpression, integer_of, read_constant_expression
from .cursor import MOST_ELEMENTS, MOST_ITEMS, Cursor
from .encoder import uleb
from .types import DESCRIPTORS, FUNCREF, SHARED_EVERYTHING, Limits, ValType, read_limits, read_value_type

T = TypeVar("T")
Reader = Callable[[Cursor], T]


class ExternKind(IntEnum):
    FUNC = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


class Mode(Enum):
    ACTIVE = "active"
    PASSIVE = "passive"
    DECLARATIVE = "declarative"


class Table(NamedTuple):
    """`initializer` is None where entries start as null."""

    type: ValType
    limits: Limits
    initializer: ConstantExpression | None


class Global(NamedTuple):
    """`initializer` is None for an imported global."""

    type: ValType
    mutable: bool
    initializer: ConstantExpression | None


class Import(NamedTuple):
    """`type_index` for a function or tag, one of the others for the other kinds."""

    module: str
    name: str
    kind: ExternKind
    type_index: int = -1
    table: Table | None = None
    memory: Limits | None = None
    global_: Global | None = None


class Export(NamedTuple):
    """`target` is the index, in the index space of `kind`, of what is exported."""

    name: str
    kind: int
    target: int


class ElementSegment(NamedTuple):
    """`raw` is the range of the whole entry in the file, `functions` what it refers to, `length` its elements,
    `allocates` whether it holds objects, `uses_globals` whether its offset or an element depends on a global,
    `offset` where an active one goes."""

    mode: Mode
    flags: int
    table: int
    type: ValType
    length: int
    functions: tuple[int, ...]
    raw: tuple[int, int]
    allocates: bool = False
    uses_globals: bool = False
    offset: ConstantExpression | None = None


class DataSegment(NamedTuple):
    """`start:end` are the bytes, `raw_start:end` the whole entry in the file. `memory` is -1 for a passive one.

    `offset` is where an active one goes, if that is a plain constant; `offset_is_64` whether it is one of 64 bits.
    """

    mode: Mode
    memory: int
    raw_start: int
    start: int
    end: int
    offset: int | None = None
    offset_is_64: bool = False


def read_table(cursor: Cursor) -> Table:
    if cursor.peek() == 0x40:  # a table with an initializer
        cursor.skip(1)
        if cursor.byte() != 0:
            raise cursor.fail("a reserved byte that is not zero", cursor.position - 1)
        return Table(read_value_type(cursor), _read_table_limits(cursor), read_constant_expression(cursor))
    return Table(read_value_type(cursor), _read_table_limits(cursor), None)


def _read_table_limits(cursor: Cursor) -> Limits:
    start = cursor.position
    limits = read_limits(cursor)
    if limits.shared:
        raise cursor.lacks("a shared table", SHARED_EVERYTHING, start)
    return limits


def _read_tag(cursor: Cursor) -> int:
    if cursor.byte() != 0:
        raise cursor.fail("a tag attribute that is not zero", cursor.position - 1)
    return cursor.u32()


_MUTABLE, _SHARED = 1, 2


def _read_global_type(cursor: Cursor) -> tuple[ValType, bool]:
    value_type = read_value_type(cursor)
    mutability = cursor.byte()
    if mutability in (_SHARED, _SHARED | _MUTABLE):
        raise cursor.lacks("a shared global", SHARED_EVERYTHING, cursor.position - 1)
    if mutability > _MUTABLE:
        raise cursor.fail(f"mutability {mutability:#x}", cursor.position - 1)
    return value_type, bool(mutability)


_EXACT_FUNCTION = 0x20
_FUNC, _GLOBAL = ExternKind.FUNC, ExternKind.GLOBAL  # asking the enumeration for them takes longer


def _read_import_type(cursor: Cursor, module: str, name: str, kind: int) -> Import:
    if kind == _FUNC:  # nearly all
        return Import(module, name, _FUNC, cursor.u32())
    if kind == _GLOBAL:
        return Import(module, name, _GLOBAL, global_=Global(*_read_global_type(cursor), None))
    if kind == ExternKind.TABLE:
        return Import(module, name, ExternKind.TABLE, table=read_table(cursor))
    if kind == ExternKind.MEMORY:
        return Import(module, name, ExternKind.MEMORY, memory=read_limits(cursor))
    if kind == ExternKind.TAG:
        return Import(module, name, ExternKind.TAG, type_index=_read_tag(cursor))
    if kind == _EXACT_FUNCTION:
        raise cursor.lacks("the import of a function of an exact type", DESCRIPTORS, cursor.position - 1)
    raise cursor.fail(f"an import of unknown kind {kind:#x}", cursor.position - 1)


#: Several imports of one module, each with its type, or all of one type:
#: https://github.com/WebAssembly/compact-import-section
_ONE_MODULE, _ONE_TYPE = 0x7F, 0x7E


def _read_import_group(cursor: Cursor, module: str, kind: int) -> Iterator[Import]:
    """The imports of an entry of the import section that stands for several of one module."""
    if kind == _ONE_MODULE:
        for _ in range(cursor.count(3)):
            name = cursor.name()
            yield _read_import_type(cursor, module, name, cursor.byte())
    else:
        shared = _read_import_type(cursor, module, "", cursor.byte())
        for _ in range(cursor.count(1)):
            yield shared._replace(name=cursor.name())


def read_imports(cursor: Cursor) -> tuple[Import, ...]:
    found: list[Import] = []
    new, title, byte, u32 = tuple.__new__, cursor.name, cursor.byte, cursor.u32  # `Import` takes twice as long
    for _ in range(cursor.count(4)):
        module, name, kind = title(), title(), byte()
        if kind == 0 and len(found) < MOST_ITEMS:  # a function, as nearly all
            found.append(new(Import, (module, name, _FUNC, u32(), None, None, None)))
            continue
        if name or kind not in (_ONE_MODULE, _ONE_TYPE):
            group: Iterable[Import] = (_read_import_type(cursor, module, name, kind),)
        else:
            group = _read_import_group(cursor, module, kind)
        for entry in group:  # one byte in a group can be an import
            if len(found) >= MOST_ITEMS:
                raise cursor.exceeds(f"more than {MOST_ITEMS:,} imports", cursor.position)
            found.append(entry)
    return tuple(found)


def has_compact_imports(cursor: Cursor) -> bool:
    """Whether an import section has the compact form, which few engines know."""
    for _ in range(cursor.count(4)):
        module, name = cursor.name(), cursor.name()
        kind = cursor.byte()
        if not name and kind in (_ONE_MODULE, _ONE_TYPE):
            return True
        _read_import_type(cursor, module, name, kind)
    return False


def read_tables(cursor: Cursor) -> tuple[Table, ...]:
    return tuple(read_table(cursor) for _ in range(cursor.count(3)))


def read_memories(cursor: Cursor) -> tuple[Limits, ...]:
    return tuple(read_limits(cursor) for _ in range(cursor.count(2)))


def read_tags(cursor: Cursor) -> tuple[int, ...]:
    return tuple(_read_tag(cursor) for _ in range(cursor.count(2)))


def read_globals(cursor: Cursor) -> tuple[Global, ...]:
    return tuple(Global(*_read_global_type(cursor), read_constant_expression(cursor)) for _ in range(cursor.count(3)))


def read_exports(cursor: Cursor) -> tuple[Export, ...]:
    new, named = tuple.__new__, cursor.named  # `Export` takes twice as long
    return tuple([new(Export, named()) for _ in range(cursor.count(3))])


_PASSIVE_OR_DECLARATIVE, _EXPLICIT, EXPRESSIONS = 1, 2, 4


def _read_element(cursor: Cursor) -> ElementSegment:
    start = cursor.position
    flags = cursor.u32()
    if flags > 7:
        raise cursor.fail(f"an element segment with unknown flags {flags:#x}", start)
    table = -1
    uses_globals = False
    offset = None
    if flags & _PASSIVE_OR_DECLARATIVE:
        mode = Mode.DECLARATIVE if flags & _EXPLICIT else Mode.PASSIVE
    else:
        mode = Mode.ACTIVE
        table = cursor.u32() if flags & _EXPLICIT else 0
        offset = read_constant_expression(cursor)
        uses_globals = bool(offset.globals)
    value_type = FUNCREF
    if flags & (_PASSIVE_OR_DECLARATIVE | _EXPLICIT):
        if flags & EXPRESSIONS:
            value_type = read_value_type(cursor)
        elif cursor.byte() != 0:
            raise cursor.fail("an element kind that is not funcref", cursor.position - 1)
    count = cursor.count(most=MOST_ELEMENTS)
    functions: list[int] = []
    allocates = False
    if flags & EXPRESSIONS:
        for _ in range(count):
            expression = read_constant_expression(cursor)
            functions.extend(expression.functions)
            allocates |= expression.allocates
            uses_globals |= bool(expression.globals)
    else:
        functions = cursor.u32s(count)
    raw = (start, cursor.position)
    return ElementSegment(mode, flags, table, value_type, count, tuple(functions), raw, allocates, uses_globals, offset)


def without_elements(segment: ElementSegment, offset: bytes) -> bytes:
    """An element segment of the same form with nothing in it. `offset`: the expression of an active one, else empty."""
    flags, kind = segment.flags, b""
    if flags & (_PASSIVE_OR_DECLARATIVE | _EXPLICIT):
        kind = segment.type if flags & EXPRESSIONS else b"\0"
    table = uleb(segment.table) if segment.mode is Mode.ACTIVE and flags & _EXPLICIT else b""
    return uleb(flags) + table + offset + kind + uleb(0)


def read_elements(cursor: Cursor) -> tuple[ElementSegment, ...]:
    return tuple(_read_element(cursor) for _ in range(cursor.count(2)))


#: An active segment of memory 0 up to its content, with a constant offset below 2^27: nearly all are of this form.
_PLAIN_DATA = re.compile(rb"\x00\x41([\x80-\xff]{0,3}[\x00-\x3f])\x0b([\x80-\xff]{0,3}[\x00-\x7f])")


_I64_CONST = 0x42


def _read_data_segment(cursor: Cursor) -> DataSegment:
    raw_start = cursor.position
    flags = cursor.u32()
    if flags == 1:
        size = cursor.u32()
        start = cursor.skip(size)
        return DataSegment(Mode.PASSIVE, -1, raw_start, start, start + size)
    if flags not in (0, 2):
        raise cursor.fail(f"a data segment with unknown flags {flags:#x}", raw_start)
    memory = cursor.u32() if flags == 2 else 0
    offset = read_constant_expression(cursor)
    size = cursor.u32()
    start = cursor.skip(size)
    is_64 = offset.raw[0] == _I64_CONST
    return DataSegment(Mode.ACTIVE, memory, raw_start, start, start + size, integer_of(offset), is_64)


def read_data(cursor: Cursor) -> tuple[DataSegment, ...]:
    count = cursor.count(2)
    found: list[DataSegment] = []
    plainly, from_bytes, sizes = _PLAIN_DATA.match, int.from_bytes, _Sizes()
    new, kind, active = tuple.__new__, DataSegment, Mode.ACTIVE  # the usual way takes twice as long
    data, position, end = cursor.buffer, cursor.position, cursor.end
    for _ in range(count):  # tens of thousands in a module that was pre-initialized
        plain = plainly(data, position, end)
        if plain:
            offset, length = plain.groups()
            at = from_bytes(offset, "little")  # seven bits of each byte count
            at = at & 0x7F | at >> 1 & 0x3F80 | at >> 2 & 0x1FC000 | at >> 3 & 0xFE00000
            start = plain.end()
            following = start + sizes[length]
            if following <= end:
                found.append(new(kind, (active, 0, position, start, following, at, False)))
                position = following
                continue
        cursor.position = position
        found.append(_read_data_segment(cursor))
        position = cursor.position
    cursor.position = position
    return tuple(found)


class _Sizes(dict[bytes, int]):
    """What lengths say: most are short, and there are few of these."""

    def __missing__(self, length: bytes) -> int:
        size = int.from_bytes(length, "little")
        size = size & 0x7F | size >> 1 & 0x3F80 | size >> 2 & 0x1FC000 | size >> 3 & 0xFE00000
        self[length] = size
        return size
