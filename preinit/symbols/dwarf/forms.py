"""Forms: how many bytes the value of an attribute takes. Section 7.5.6 of DWARF 5."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...tuples import NamedTuple

#: One byte that says how a value is written.
ADDR, BLOCK2, BLOCK4, STRING, BLOCK, BLOCK1, STRP, REF_ADDR = 0x01, 0x03, 0x04, 0x08, 0x09, 0x0A, 0x0E, 0x10
REF1, REF2, REF4, REF8, REF_UDATA, SEC_OFFSET, EXPRLOC = 0x11, 0x12, 0x13, 0x14, 0x15, 0x17, 0x18
STRX, LINE_STRP, IMPLICIT_CONST, STRX1, STRX4 = 0x1A, 0x1F, 0x21, 0x25, 0x28

#: Of these, the size is part of the form. data2, data4, data8, data1, flag, ref1, ref2, ref4, ref8, flag_present,
#: ref_sup4, data16, ref_sig8, implicit_const, ref_sup8, strx1 to strx4, addrx1 to addrx4.
_FIXED = {
    0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8, 0x19: 0,
    0x1C: 4, 0x1E: 16, 0x20: 8, 0x21: 0, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4,
    0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4,
}  # fmt: skip
#: Of these, no byte: flag_present, and implicit_const, which the abbreviation has.
EMPTY = frozenset(form for form, size in _FIXED.items() if not size)
#: LEB128 integers: sdata, udata, ref_udata, strx, addrx, loclistx, rnglistx.
_LEB = frozenset((0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23))
#: As large as an offset: strp, ref_addr, sec_offset, strp_sup, line_strp.
_OFFSET = frozenset((0x0E, 0x10, 0x17, 0x1D, 0x1F))
#: Blocks with their size before them, and the bytes that this takes; 0 for a LEB128 integer.
BLOCKS = {BLOCK1: 1, BLOCK2: 2, BLOCK4: 4, BLOCK: 0, EXPRLOC: 0}

_LEB_BYTES, _STRING_BYTES = rb"[\x80-\xff]*+[\0-\x7f]", rb"[^\0]*+\0"


class Damaged(Exception):
    """What can't be read, so that what follows can't be found."""


def fixed_size(form: int, address: int, offset: int) -> int | None:
    """Bytes of a form, None where that is part of the value. `address` and `offset`: bytes of those."""
    if form == ADDR:
        return address
    return offset if form in _OFFSET else _FIXED.get(form)


#: Patterns, and bytes of a block's size.
Steps = tuple[re.Pattern[bytes] | int, ...]


class Plan(NamedTuple):
    """How to skip values: `size` bytes if that is not negative, else what the pattern matches and blocks, in turn."""

    size: int
    steps: Steps


def plan(forms: Sequence[int], address: int, offset: int) -> Plan:
    """How to skip values of these forms. Raises `Damaged` for a form that is not known."""
    pattern, plain, total = b"", True, 0
    steps: list[re.Pattern[bytes] | int] = []
    run = 0
    for form in forms:
        size = fixed_size(form, address, offset)
        if size is not None:
            run += size
            total += size
            continue
        plain = False
        pattern, run = pattern + _any(run), 0
        if form in _LEB:
            pattern += _LEB_BYTES
        elif form == STRING:
            pattern += _STRING_BYTES
        elif form in BLOCKS:
            if pattern:
                steps.append(re.compile(pattern, re.DOTALL))
            steps.append(BLOCKS[form])
            pattern = b""
        else:
            raise Damaged(f"form {form:#x}")
    if plain:
        return Plan(total, ())
    pattern += _any(run)
    if pattern:
        steps.append(re.compile(pattern, re.DOTALL))
    return Plan(-1, tuple(steps))


def _any(size: int) -> bytes:
    return b".{%d}" % size if size else b""


def skip(data: bytes, at: int, steps: Sequence[re.Pattern[bytes] | int]) -> int:
    """Where values end that start at `at`. Raises `Damaged`, `IndexError`."""
    for step in steps:
        if isinstance(step, int):
            size, at = uleb(data, at) if step == 0 else (int.from_bytes(data[at : at + step], "little"), at + step)
            at += size
        else:
            match = step.match(data, at)
            if match is None:
                raise Damaged("a value that does not end")
            at = match.end()
    return at


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 integer of up to 64 bits, and where it ends. Raises `Damaged`, `IndexError`."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    result, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            raise Damaged("an integer of more than 64 bits")
