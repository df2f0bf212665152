"""Assembling instructions: the bytes of each, by its name in the specification.

https://webassembly.github.io/spec/core/binary/instructions.html . Every function returns the bytes of one instruction,
or of a structured one with its body and `end`; sequences are joined with `+`.
"""

from __future__ import annotations

from ..tuples import NamedTuple
from .encoder import sleb, uleb
from .types import F32, F64, I32, I64, NUMERIC_SIZES, V128, FuncType, ValType, is_numeric

# -- control -----------------------------------------------------------------------------------------------------------

UNREACHABLE, NOP, ELSE, END = b"\x00", b"\x01", b"\x05", b"\x0b"
RETURN, DROP = b"\x0f", b"\x1a"

#: The type of a block that takes and gives nothing.
_EMPTY = b"\x40"


def block(body: bytes) -> bytes:
    return b"\x02" + _EMPTY + body + END


def loop(body: bytes) -> bytes:
    return b"\x03" + _EMPTY + body + END


def if_(then: bytes, otherwise: bytes = b"") -> bytes:
    return b"\x04" + _EMPTY + then + (ELSE + otherwise if otherwise else b"") + END


def br(label: int) -> bytes:
    return b"\x0c" + uleb(label)


def br_if(label: int) -> bytes:
    return b"\x0d" + uleb(label)


def call(function: int) -> bytes:
    return b"\x10" + uleb(function)


def call_indirect(type_index: int, table: int) -> bytes:
    return b"\x11" + uleb(type_index) + uleb(table)


def return_call_indirect(type_index: int, table: int) -> bytes:
    return b"\x13" + uleb(type_index) + uleb(table)


# -- variables ---------------------------------------------------------------------------------------------------------


def local_get(index: int) -> bytes:
    return b"\x20" + uleb(index)


def local_set(index: int) -> bytes:
    return b"\x21" + uleb(index)


def local_tee(index: int) -> bytes:
    return b"\x22" + uleb(index)


def global_get(index: int) -> bytes:
    return b"\x23" + uleb(index)


def global_set(index: int) -> bytes:
    return b"\x24" + uleb(index)


def parameters(signature: FuncType) -> bytes:
    """All parameters of the function that it stands in, in order."""
    return b"".join(map(local_get, range(len(signature.params))))


#: The locals of a function that has none but its parameters.
NO_LOCALS = b"\0"


def locals_(*types: ValType) -> bytes:
    """One local of each type, before a function's expression."""
    return uleb(len(types)) + b"".join(b"\x01" + value_type for value_type in types)


# -- numbers and vectors -----------------------------------------------------------------------------------------------


def i32_const(number: int) -> bytes:
    """`number`: signed, or unsigned up to 2**32 - 1."""
    return b"\x41" + sleb(_signed(number, 32))


def i64_const(number: int) -> bytes:
    """`number`: signed, or unsigned up to 2**64 - 1."""
    return b"\x42" + sleb(_signed(number, 64))


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) > 0 else number


class Arithmetic(NamedTuple):
    """The instructions on integers of one width."""

    type: ValType
    eqz: bytes
    eq: bytes
    ne: bytes
    lt_u: bytes
    gt_u: bytes
    le_u: bytes
    add: bytes
    sub: bytes
    shl: bytes

    def const(self, number: int) -> bytes:
        """`number`: signed or unsigned."""
        return i32_const(number) if self.type == I32 else i64_const(number)


I32_OPS = Arithmetic(I32, b"\x45", b"\x46", b"\x47", b"\x49", b"\x4b", b"\x4d", b"\x6a", b"\x6b", b"\x74")
I64_OPS = Arithmetic(I64, b"\x50", b"\x51", b"\x52", b"\x54", b"\x56", b"\x58", b"\x7c", b"\x7d", b"\x86")


def address_ops(is_64: bool) -> Arithmetic:
    """Those on addresses of a memory, or indices of a table, of 64 bits or 32."""
    return I64_OPS if is_64 else I32_OPS


SELECT = b"\x1b"
I32_GE_S = b"\x4e"
I32_AND, I32_OR = b"\x71", b"\x72"
I64_CTZ, I64_AND, I64_OR = b"\x7a", b"\x83", b"\x84"
I64_EQZ, I64_ADD = b"\x50", b"\x7c"
I64_SHR_U = b"\x88"
I64_EXTEND_I32_U, I32_WRAP_I64 = b"\xad", b"\xa7"
I32_REINTERPRET_F32, I64_REINTERPRET_F64 = b"\xbc", b"\xbd"
I8X16_NE, V128_ANY_TRUE = b"\xfd\x24", b"\xfd\x53"
#: Which lane follows, as a byte.
I64X2_EXTRACT_LANE = b"\xfd\x1d"

# -- memories ----------------------------------------------------------------------------------------------------------


def i32_load(offset: int = 0, memory: int = 0) -> bytes:
    """Four bytes, aligned."""
    return b"\x28" + _place(2, offset, memory)


def i32_load8_u(offset: int = 0, memory: int = 0) -> bytes:
    """One byte, as an unsigned number."""
    return b"\x2d" + _place(0, offset, memory)


def i32_store(offset: int = 0, memory: int = 0) -> bytes:
    """Four bytes, aligned."""
    return b"\x36" + _place(2, offset, memory)


def i64_load(offset: int = 0, memory: int = 0) -> bytes:
    """Eight bytes, of any alignment."""
    return b"\x29" + _place(0, offset, memory)


def i64_store(offset: int = 0, memory: int = 0) -> bytes:
    """Eight bytes, of any alignment."""
    return b"\x37" + _place(0, offset, memory)


#: In the alignment of an access, that a memory's index follows.
_OTHER_MEMORY = 1 << 6


def _place(alignment: int, offset: int, memory: int) -> bytes:
    """`alignment` as a power of 2."""
    return uleb(alignment | _OTHER_MEMORY) + uleb(memory) + uleb(offset) if memory else uleb(alignment) + uleb(offset)


#: The opcodes of what stores the lowest bytes of an i32, and all of an i64, by how many bytes these are.
_LOW_STORES = {1: b"\x3a", 2: b"\x3b", 4: b"\x36", 8: b"\x37"}


def store_low(size: int, memory: int) -> bytes:
    """Stores 1, 2 or 4 bytes of an i32, or the 8 of an i64, of any alignment."""
    return _LOW_STORES[size] + _place(0, 0, memory)


#: The opcode of what stores a number or vector.
_STORES = {I32: b"\x36", I64: b"\x37", F32: b"\x38", F64: b"\x39", V128: b"\xfd\x0b"}


def store(value_type: ValType, offset: int, memory: int) -> bytes:
    """Stores a number or vector, of which no alignment is promised but that of a word."""
    return _STORES[value_type] + (uleb(0x42) + uleb(memory) if memory else b"\x02") + uleb(offset)


def memory_size(memory: int) -> bytes:
    return b"\x3f" + uleb(memory)


def memory_grow(memory: int) -> bytes:
    return b"\x40" + uleb(memory)


def memory_init(segment: int, memory: int) -> bytes:
    return b"\xfc\x08" + uleb(segment) + uleb(memory)


def data_drop(segment: int) -> bytes:
    return b"\xfc\x09" + uleb(segment)


def memory_fill(memory: int) -> bytes:
    return b"\xfc\x0b" + uleb(memory)


# -- references and tables ---------------------------------------------------------------------------------------------

REF_IS_NULL, REF_I31 = b"\xd1", b"\xfb\x1c"

#: The first byte of `(ref null ht)` and of `(ref ht)`, where a heap type follows.
_REF_NULL_TYPE, _REF_TYPE = 0x63, 0x64


def heap_type(reference_type: ValType) -> bytes:
    """`ht` of `(ref ht)`, `(ref null ht)` and of the abbreviations such as funcref."""
    return reference_type[1:] if reference_type[0] in (_REF_NULL_TYPE, _REF_TYPE) else reference_type


def nullable(reference_type: ValType) -> ValType:
    """The type that has null too."""
    return bytes((_REF_NULL_TYPE,)) + reference_type[1:] if reference_type[0] == _REF_TYPE else reference_type


def ref_null(reference_type: ValType) -> bytes:
    """Null of a reference type."""
    return b"\xd0" + heap_type(reference_type)


def ref_func(function: int) -> bytes:
    return b"\xd2" + uleb(function)


def table_get(table: int) -> bytes:
    return b"\x25" + uleb(table)


def table_set(table: int) -> bytes:
    return b"\x26" + uleb(table)


def table_init(segment: int, table: int) -> bytes:
    return b"\xfc\x0c" + uleb(segment) + uleb(table)


def elem_drop(segment: int) -> bytes:
    return b"\xfc\x0d" + uleb(segment)


def table_grow(table: int) -> bytes:
    return b"\xfc\x0f" + uleb(table)


def table_size(table: int) -> bytes:
    return b"\xfc\x10" + uleb(table)


def table_fill(table: int) -> bytes:
    return b"\xfc\x11" + uleb(table)


# -- any value ---------------------------------------------------------------------------------------------------------

#: What precedes the bits of a constant that is no integer.
_CONSTANTS: dict[ValType, bytes] = {F32: b"\x43", F64: b"\x44", V128: b"\xfd\x0c"}


def value(value_type: ValType, bits: bytes) -> bytes:
    """The instruction that gives a number or vector whose raw little-endian bytes are `bits`; null for a reference.

    Bit-exact, a NaN's payload too. Raises `ValueError` for other than as many bytes as a numeric type has.
    """
    if not is_numeric(value_type):
        return ref_null(value_type)
    if len(bits) != NUMERIC_SIZES[value_type]:
        raise ValueError(f"{len(bits)} bytes for a value of type {value_type!r}")
    if value_type == I32:
        return i32_const(int.from_bytes(bits, "little"))
    if value_type == I64:
        return i64_const(int.from_bytes(bits, "little"))
    return _CONSTANTS[value_type] + bits
