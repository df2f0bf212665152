"""Constant expressions: https://webassembly.github.io/spec/core/valid/instructions.html#constant-expressions ."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from ..errors import InvalidModule, UnsupportedProposal
from ..tuples import NamedTuple
from .assembler import END, address_ops, value
from .cursor import Cursor
from .encoder import sleb
from .opcodes import GC_PREFIX, IMMEDIATES, PREFIXES, SIMD_PREFIX, code
from .types import ValType, check_heap_type

#: `i32.const N end` and `i64.const N end`, by far the most frequent: no reference in them.
_SIMPLE = re.compile(rb"[\x41\x42][\x80-\xff]{0,9}+[\x00-\x7f]\x0b")


class ConstantExpression(NamedTuple):
    """An expression as it stands in the file, with what it refers to (index spaces).

    `allocates`: it makes an object (struct or array), another one each time that it is evaluated.
    """

    raw: bytes
    functions: tuple[int, ...] = ()
    globals: tuple[int, ...] = ()
    allocates: bool = False


def read_constant_expression(cursor: Cursor) -> ConstantExpression:
    """Reads up to and including `end`.

    Raises `InvalidModule` at an instruction that is not constant, `UnsupportedProposal` at one that is not known.
    """
    start = cursor.position
    simple = _SIMPLE.match(cursor.buffer, start, cursor.end)
    if simple:
        cursor.position = simple.end()
        return ConstantExpression(simple[0])
    functions: list[int] = []
    globals_: list[int] = []
    allocates = False
    while True:
        at = cursor.position
        opcode = cursor.byte()
        if opcode == END[0]:
            break
        if opcode == 0x41:  # i32.const
            cursor.signed(32)
        elif opcode == 0x42:  # i64.const
            cursor.signed(64)
        elif opcode == 0x43:  # f32.const
            cursor.skip(4)
        elif opcode == 0x44:  # f64.const
            cursor.skip(8)
        elif opcode == 0x23:  # global.get
            globals_.append(cursor.u32())
        elif opcode == 0xD0:  # ref.null
            check_heap_type(cursor)
            cursor.signed(33)
        elif opcode == 0xD2:  # ref.func
            functions.append(cursor.u32())
        elif opcode in (0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E):  # i32 and i64: add, sub, mul (extended const)
            pass
        elif opcode in PREFIXES:
            allocates |= _skip_prefixed(cursor, code(opcode, cursor.u32()), at)
        else:
            raise _not_constant(cursor, opcode, at)
    return ConstantExpression(cursor.buffer[start : cursor.position], tuple(functions), tuple(globals_), allocates)


def integer_of(expression: ConstantExpression) -> int | None:
    """The value of `i32.const N end` or `i64.const N end`, unsigned as an offset is; None for any other expression."""
    if not _SIMPLE.fullmatch(expression.raw):
        return None
    return constant_value(expression.raw[:-1])


def evaluate(expression: ConstantExpression, global_value: Callable[[int], int | None]) -> int | None:
    """The integer that an expression gives, unsigned; None where it is of another kind, or a global has no value.

    `global_value`: the unsigned value of a global, by index.
    """
    number = integer_of(expression)
    if number is not None:
        return number
    at = Cursor(expression.raw, 0, len(expression.raw), "constant expression")
    stack: list[int] = []
    bits = 32
    while (opcode := at.byte()) != END[0]:
        if opcode in (0x41, 0x42):
            bits = 32 if opcode == 0x41 else 64
            stack.append(at.signed(bits))
        elif opcode == 0x23:
            known = global_value(at.u32())
            if known is None:
                return None
            bits = 64  # it fits its own type
            stack.append(known)
        elif opcode in _ARITHMETIC and len(stack) > 1:
            bits, operation = _ARITHMETIC[opcode]
            right, left = stack.pop(), stack.pop()
            stack.append(operation(left, right))
        else:
            return None
    return stack[0] & ((1 << bits) - 1) if len(stack) == 1 else None


#: Opcode -> bits of its type, and what it computes: add, sub, mul of i32 and i64.
_ARITHMETIC: dict[int, tuple[int, Callable[[int, int], int]]] = {
    first + place: (bits, operation)
    for first, bits in ((0x6A, 32), (0x7C, 64))
    for place, operation in enumerate((operator.add, operator.sub, operator.mul))
}


#: Opcode of a constant that is not an integer -> the bytes of its value, which are the rest of the instruction.
_OTHER_SIZES = {b"\x43": 4, b"\x44": 8, b"\xfd\x0c": 16}


def bits_of(expression: ConstantExpression) -> bytes | None:
    """The raw little-endian bytes of the number or vector that one constant gives; None for any other expression."""
    number = integer_of(expression)
    if number is not None:
        return number.to_bytes(4 if expression.raw[0] == 0x41 else 8, "little")
    for opcode, size in _OTHER_SIZES.items():
        if expression.raw.startswith(opcode) and len(expression.raw) == len(opcode) + size + 1:
            return expression.raw[len(opcode) : -1]
    return None


def constant_value(instruction: bytes) -> int:
    """The operand of `i32.const` or `i64.const`, as unsigned. Bits beyond the type's are cut off."""
    result = shift = 0
    for byte in instruction[1:]:
        result |= (byte & 0x7F) << shift
        shift += 7
    if byte & 0x40:
        result -= 1 << shift
    return result & (0xFFFFFFFF if instruction[0] == 0x41 else 0xFFFFFFFFFFFFFFFF)


def _not_constant(cursor: Cursor, opcode: int, at: int) -> InvalidModule | UnsupportedProposal:
    """The error for an instruction, as in `opcodes.IMMEDIATES`, that none of the known proposals allows here."""
    where = f"byte offset {at:#x}"
    shown = f"{opcode:#x}" if opcode < 0x100 else f"{opcode >> 16:#x} {opcode & 0xFFFF:#x}"
    if opcode in IMMEDIATES:
        return InvalidModule(
            f"{cursor.what}: the instruction {shown} stands in a constant expression, and is not constant", where=where
        )
    return UnsupportedProposal(f"{cursor.what}: an unknown instruction {shown} in a constant expression", where=where)


#: struct.new, struct.new_default, array.new, array.new_default; any.convert_extern, extern.convert_any, ref.i31.
_ALLOCATING = frozenset(code(GC_PREFIX, number) for number in (0, 1, 6, 7))
_CONVERTING = frozenset(code(GC_PREFIX, number) for number in (26, 27, 28))
_ARRAY_NEW_FIXED, _V128_CONST = code(GC_PREFIX, 8), code(SIMD_PREFIX, 12)


def _skip_prefixed(cursor: Cursor, opcode: int, at: int) -> bool:
    """Skips the immediates of an instruction with a prefix; tells whether it makes an object."""
    if opcode == _V128_CONST:
        cursor.skip(16)
    elif opcode in _ALLOCATING:
        cursor.u32()
    elif opcode == _ARRAY_NEW_FIXED:
        cursor.u32()
        cursor.u32()
    elif opcode not in _CONVERTING:
        raise _not_constant(cursor, opcode, at)
    return opcode in _ALLOCATING or opcode == _ARRAY_NEW_FIXED


def constant(value_type: ValType, bits: bytes) -> bytes:
    """The expression that gives the value whose raw little-endian bytes are `bits`, see `assembler.value`."""
    return value(value_type, bits) + END


def offset_constant(offset: int, is_64: bool) -> bytes:
    """The offset expression of an active segment: `offset` is unsigned, the constant is signed."""
    if offset < 1 << 31 and not is_64:  # of tens of thousands of data segments
        return b"\x41" + sleb(offset) + END
    return address_ops(is_64).const(offset) + END
