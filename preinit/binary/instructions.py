"""Finding instructions in function bodies at the speed of `re`.

https://webassembly.github.io/spec/core/binary/instructions.html

One possessive pattern matches a whole run of instructions that are of no interest; a few lines of Python handle the
ones where it stops. An instruction that isn't known ends the search: nothing is guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import InputError
from .cursor import Cursor
from .encoder import uleb
from .types import read_value_type

_LEB = rb"[\x80-\xff]*+[\x00-\x7f]"
# The alignment's bit 6 says that a memory index follows (multi-memory).
_MEMARG = (
    rb"(?:[\x00-\x3f]|[\x80-\xbf][\x80-\xff]*+[\x00-\x7f]|(?:[\x40-\x7f]|[\xc0-\xff]"
    + _LEB
    + rb")"
    + _LEB
    + rb")"
    + _LEB
)
_BLOCK_TYPE = rb"(?:[\x63\x64]" + _LEB + rb"|" + _LEB + rb")"

_INSTRUCTION = (
    rb"(?:"
    + rb"|".join(
        [
            rb"[\x20-\x26\x41\x42\x0c\x0d\x10\x12]" + _LEB,  # variables, constants, branches, calls
            rb"[\x00\x01\x05\x0a\x0b\x0f\x19\x1a\x1b\x45-\xc4\xd1\xd3\xd4]",  # no immediates
            rb"[\x28-\x3e]" + _MEMARG,
            rb"[\x02-\x04\x06]" + _BLOCK_TYPE,
            rb"[\x07-\x09\x14\x15\x18\x3f\xd0\xd2\xd5\xd6]" + _LEB,
            rb"[\x11\x13]" + _LEB + _LEB,  # indirect calls
            rb"\x43.{4}",
            rb"\x44.{8}",
            rb"\xfc(?:[\x00-\x07\x13-\x16]|[\x09\x0b\x0d\x10\x11]"
            + _LEB
            + rb"|[\x08\x0a\x0c\x0e]"
            + _LEB
            + _LEB
            + rb")",
            rb"\xfd(?:[\x00-\x0b\x5c\x5d]" + _MEMARG + rb"|[\x0c\x0d].{16}|[\x15-\x22].|[\x54-\x5b]" + _MEMARG + rb"."
            rb"|[\x0e-\x14\x23-\x53\x5e-\x7f]|[\x80-\xff][\x01-\x03])",
            rb"\xfe(?:[\x00-\x02\x10-\x4e]" + _MEMARG + rb"|\x03\x00)",
            rb"\xfb(?:[\x00\x01\x06\x07\x0b-\x0e\x10\x14-\x17]"
            + _LEB
            + rb"|[\x02-\x05\x08-\x0a\x11-\x13]"
            + _LEB
            + _LEB
            + rb"|[\x18\x19]."
            + _LEB
            + _LEB
            + _LEB
            + rb"|[\x0f\x1a-\x1e])",
        ]
    )
    + rb")"
)
_UNINTERESTING = re.compile(_INSTRUCTION + rb"*+", re.DOTALL)

_PREFIXES = (0xFB, 0xFC, 0xFD, 0xFE)
#: No immediates are longer: the 16 bytes of a vector, two padded 64-bit integers and an index.
_LONGEST_IMMEDIATES = 32

MEMORY_GROW = 0x40
TABLE_GROW = 0xFC0F


def _skip_variable_length(at: Cursor, opcode: int) -> bool:
    """Moves past one of the instructions whose length a pattern can't tell; False if it isn't one."""
    if opcode == 0x0E:  # br_table
        at.u32s(at.count() + 1)
    elif opcode == 0x1C:  # select with types
        for _ in range(at.count()):
            read_value_type(at)
    elif opcode == 0x1F:  # try_table
        match = re.compile(_BLOCK_TYPE).match(at.buffer, at.position, at.end)
        if not match:
            return False
        at.position = match.end()
        for _ in range(at.count(2)):
            kind = at.byte()
            if kind > 3:
                return False
            at.u32s(2 if kind < 2 else 1)
    else:
        return False
    return True


def _skip_padded(at: Cursor, opcode: int) -> bool:
    """Moves past an instruction whose second opcode is written in more bytes than it needs; False if it isn't one."""
    if opcode not in _PREFIXES:
        return False
    at.position += 1
    second = at.u32()
    canonical = bytes((opcode,)) + uleb(second)
    rest = at.buffer[at.position : min(at.end, at.position + _LONGEST_IMMEDIATES)]
    match = re.compile(_INSTRUCTION, re.DOTALL).match(canonical + rest)
    if not match:
        return False
    at.skip(match.end() - len(canonical))
    return True


class Search(NamedTuple):
    """What a function body holds: `(start, end, opcode, index)` of each growth instruction, its range in the file.

    `opcode` is MEMORY_GROW or TABLE_GROW, `index` the memory's or table's. `unknown`: the offset of an instruction that
    is not known, where the search ended; None if it came to the end.
    """

    found: list[tuple[int, int, int, int]]
    unknown: int | None


def growth_instructions(data: bytes, start: int, end: int) -> Search:
    """The `memory.grow` and `table.grow` instructions of the function body `data[start:end]`."""
    at = Cursor(data, start, end, "function body")
    found: list[tuple[int, int, int, int]] = []
    begin = start
    try:
        for _ in range(at.count(2)):  # locals
            at.u32()
            read_value_type(at)
        while True:
            at.position = _UNINTERESTING.match(data, at.position, end).end()  # type: ignore[union-attr]
            begin = at.position
            if begin >= end:
                return Search(found, None)
            opcode = at.byte()
            if opcode == MEMORY_GROW:
                index = at.u32()
                found.append((begin, at.position, MEMORY_GROW, index))
                continue
            if opcode == 0xFC and at.u32() == 0x0F:
                index = at.u32()
                found.append((begin, at.position, TABLE_GROW, index))
                continue
            at.position = begin + 1
            if _skip_variable_length(at, opcode):
                continue
            at.position = begin
            if not _skip_padded(at, opcode):
                return Search(found, begin)
    except InputError:
        return Search(found, begin)
