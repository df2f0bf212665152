"""Which functions contain `memory.grow` or `table.grow`: a handful among thousands, so candidates come first."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from ..errors import Unsupported
from . import encoder as write
from .instructions import decoder
from .module import Module, SectionId
from .opcodes import MEMORY_GROW, TABLE_GROW, Kind
from .types import I32, I64, FuncType, Limits, ValType

#: `memory.grow`; no index in the pattern, which could end with the opcode of the next one.
_MEMORY_GROW = re.compile(rb"\x40")
#: With index 0; the bytes are frequent as `block` or `if` followed by `unreachable`.
_SINGLE_MEMORY_GROW = re.compile(rb"\x40[\x80-\xff]*+\x00")
_TABLE_GROW = re.compile(rb"\xfc(?:\x0f|\x8f\x80*+\x00)")

_BLOCK_OPCODES = frozenset(b"\x02\x03\x04")
#: `end`, and instructions without immediates: what follows one of these is an opcode.
_WITHOUT_IMMEDIATES = frozenset((0x0B, *range(0x45, 0x80)))
#: Below this many memories and tables, the byte after one of those can't be the index of a memory or table that
#: follows a first index, as in `call_indirect $type $table`.
_FEW = 2
#: Below this many tags, the same holds for a tag and the label after it, the last of a `try_table`.
_FEW_TAGS = 11
#: Where a SIMD instruction starts whose last immediate is a lane, at most this far before that: prefix, opcode,
#: alignment, memory, offset.
_LANE_STORE = 1 + 5 + 5 + 5 + 10

GROWTH = frozenset((MEMORY_GROW, TABLE_GROW))
_NOTHING: frozenset[Kind] = frozenset()

#: Bytes of the longest growth instruction, with padded integers: what comes after the last candidate isn't decoded.
_LONGEST_GROWTH = 12


#: Growth instructions that a module may have: compilers emit a handful.
MOST_GROWTHS = 100_000


class Growth(NamedTuple):
    """One instruction: its range in the file, `opcodes.MEMORY_GROW` or `TABLE_GROW`, and what it grows."""

    start: int
    end: int
    opcode: int
    target: int


def growing_functions(module: Module) -> tuple[dict[int, list[Growth]], int | None]:
    """The growth instructions of each defined function that has any, by position in the code section, in order.

    And the offset of an instruction that is not known with candidates behind it; None where all are accounted for.
    Raises `Unsupported` for more than `MOST_GROWTHS`.
    """
    section = module.section(SectionId.CODE)
    if section is None or not (module.memories or module.tables):
        return {}, None
    hits = _candidates(module, section.start, section.end)
    if not hits:
        return {}, None
    ranges = module.bodies
    starts = ranges.starts
    last_hit = {}
    for hit in sorted(hits):
        last_hit[bisect_right(starts, hit) - 1] = hit
    result = {}
    unknown = None
    total = 0
    for defined, hit in last_hit.items():
        if defined < 0:
            continue
        body = ranges[defined]
        end = min(body.end, hit + _LONGEST_GROWTH)
        search = decoder(_NOTHING, GROWTH).search(module.data, body.start, end)
        if search.unknown is not None and search.unknown <= hit:
            # The candidate may lie inside an instruction that is cut off here: a long constant, a branch table.
            search = decoder(_NOTHING, GROWTH).search(module.data, body.start, body.end)
            if search.unknown is not None and search.unknown <= hit:
                unknown = search.unknown
        total += len(search.found)
        if total > MOST_GROWTHS:
            raise Unsupported(
                f"the code has more than {MOST_GROWTHS} instructions that grow a memory or table",
                hint="Have one function grow each, and call it.",
            )
        growths = [Growth(g.start, g.end, g.opcode, g.references[0].target) for g in search.found]
        growths = [
            growth
            for growth in growths
            if growth.target < (len(module.memories) if growth.opcode == MEMORY_GROW else len(module.tables))
        ]
        if growths:
            result[defined] = growths
    return result, unknown


def _candidates(module: Module, start: int, end: int) -> list[int]:
    data = module.data
    hits: list[int] = []
    if module.memories:
        pattern = _SINGLE_MEMORY_GROW if len(module.memories) == 1 else _MEMORY_GROW
        hits = [match.start() for match in pattern.finditer(data, start, end)]
        few = len(module.memories) <= _FEW and len(module.tables) <= _FEW and len(module.tags) <= _FEW_TAGS
        if few and not module.types.has_gc:
            hits = [
                hit
                for hit in hits
                if not (
                    data[hit - 1] in _BLOCK_OPCODES
                    and data[hit - 2] in _WITHOUT_IMMEDIATES
                    and 0xFD not in data[max(start, hit - 1 - _LANE_STORE) : hit - 2]
                )
            ]
    if module.tables:
        hits += [match.start() for match in _TABLE_GROW.finditer(data, start, end)]
    return hits


class Bounds(NamedTuple):
    """What all memories may have together, in bytes, and all tables, in elements; what other modules have of that."""

    memory: int
    elements: int
    memory_elsewhere: int = 0
    elements_elsewhere: int = 0


def counts_together(module: Module, opcode: int, bounds: Bounds | None) -> bool:
    """Whether a guard must look at all memories, or tables: the engine bounds each of them by itself."""
    if bounds is None:
        return False
    if opcode == MEMORY_GROW:
        return len(module.memories) > 1 or bounds.memory_elsewhere > 0
    return len(module.tables) > 1 or bounds.elements_elsewhere > 0


def guard(
    module: Module, opcode: int, target: int, place: int | None = None, bounds: Bounds | None = None
) -> tuple[FuncType, bytes]:
    """A function's type and body: it grows a memory or table, and traps where a size within its maximum is refused.

    `target` is the index in `module`, `place` the one in the module that the function is for, if that is another. With
    `bounds`, growing past them is refused; where it `counts_together`, all indices are those in `module`.
    """
    index = write.uleb(target if place is None else place)
    if opcode == MEMORY_GROW:
        limits = module.memories[target]
        operands: tuple[ValType, ...] = ()
        size, grow = b"\x3f" + index, b"\x40" + index
        highest = ((1 << 64) if limits.is_64 else (1 << 32)) // limits.page_size
    else:
        table = module.tables[target]
        limits, operands = table.limits, (table.type,)
        size, grow = b"\xfc\x10" + index, b"\xfc\x0f" + index
        highest = 1 << (64 if limits.is_64 else 32)
    address = I64 if limits.is_64 else I32
    width = 64 if limits.is_64 else 32
    maximum = min(limits.maximum if limits.maximum is not None else highest, highest, (1 << width) - 1)
    const = b"\x42" if limits.is_64 else b"\x41"
    signed = maximum - (1 << width) if maximum >> (width - 1) else maximum
    equal, subtract, at_most = (b"\x51", b"\x7d", b"\x58") if limits.is_64 else (b"\x46", b"\x6b", b"\x4d")
    delta = len(operands)
    result = delta + 1
    pushed = b"".join(b"\x20" + write.uleb(i) for i in range(len(operands)))
    get_delta = b"\x20" + write.uleb(delta)
    fits = get_delta + const + write.sleb(signed) + size + subtract + at_most  # delta <= maximum - size
    if bounds is not None and counts_together(module, opcode, bounds):
        before = b"\x04\x40" + _refuse(module, opcode, get_delta, limits, bounds) + _END
    else:
        before = b""
    body = (
        b"\x01\x01" + address  # one local, the result
        + (fits + before if before else b"")
        + pushed + get_delta + grow + b"\x22" + write.uleb(result)
        + const + write.sleb(-1) + equal + b"\x04\x40"  # refused
        + fits
        + b"\x04\x40" + _UNREACHABLE + _END + _END
        + b"\x20" + write.uleb(result) + _END
    )  # fmt: skip
    return FuncType((*operands, address), (address,)), body


def _refuse(module: Module, opcode: int, delta: bytes, limits: Limits, bounds: Bounds) -> bytes:
    """Instructions that trap where all memories, or tables, would be larger together than they may be."""
    if opcode == MEMORY_GROW:
        kinds, most, total = module.memories, bounds.memory, _constant(bounds.memory_elsewhere)
        size = b"\x3f"
    else:
        kinds, most, total = (
            tuple(t.limits for t in module.tables),
            bounds.elements,
            _constant(bounds.elements_elsewhere),
        )
        size = b"\xfc\x10"
    most = min(most, _LARGEST)
    for number, one in enumerate(kinds):
        total += _bytes(size + write.uleb(number), one, opcode) + _ADD
    shift = _shift(limits, opcode)
    too_many = _extended(delta, limits) + _constant(most >> shift) + _GREATER + _TRAP_IF  # the next one can't overflow
    return too_many + total + _bytes(delta, limits, opcode) + _ADD + _constant(most) + _GREATER + _TRAP_IF


def _bytes(pages: bytes, limits: Limits, opcode: int) -> bytes:
    return _extended(pages, limits) + _constant(_shift(limits, opcode)) + _SHIFT_LEFT


def _extended(number: bytes, limits: Limits) -> bytes:
    return number if limits.is_64 else number + _EXTEND


def _shift(limits: Limits, opcode: int) -> int:
    return limits.page_size.bit_length() - 1 if opcode == MEMORY_GROW else 0


def _constant(number: int) -> bytes:
    return b"\x42" + write.sleb(number)


_END, _UNREACHABLE = b"\x0b", b"\x00"
_ADD, _SHIFT_LEFT, _GREATER, _EXTEND = b"\x7c", b"\x86", b"\x56", b"\xad"  # of i64
_TRAP_IF = b"\x04\x40" + _UNREACHABLE + _END
#: Twice as much still is a positive number of 64 bits.
_LARGEST = 1 << 61
