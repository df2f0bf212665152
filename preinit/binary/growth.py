"""Which functions contain `memory.grow` or `table.grow`: a handful among thousands, so candidates come first."""

from __future__ import annotations

import re
from bisect import bisect_right

from ..errors import Unsupported
from ..tuples import NamedTuple
from . import assembler as code
from .instructions import decoder
from .module import Module, SectionId
from .opcodes import MEMORY_GROW, TABLE_GROW, Kind
from .types import FuncType, Limits, ValType

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

    And the offset of an instruction that is not known with candidates after it; None where all are accounted for.
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

    Why that is right: `memory.grow` gives -1 either since the module's own maximum forbids the size, which is the same
    in every host, or since this host refuses it. With `size <= maximum` always true, `maximum - size` can't wrap, so
    `delta <= maximum - size` (unsigned) tells the two apart even where `size + delta` would overflow. For memory 0 of
    at most 5 pages, as `wasm-tools print` shows the bytes 01 01 7f  20 00 40 00 22 01 41 7f 46 04 40 ... 0b 20 01 0b:

        (func (param i32) (result i32) (local i32)
          (if (i32.eq (local.tee 1 (memory.grow (local.get 0))) (i32.const -1))
            (then (if (i32.le_u (local.get 0) (i32.sub (i32.const 5) (memory.size))) (then unreachable))))
          (local.get 1))
    """
    index = target if place is None else place
    if opcode == MEMORY_GROW:
        limits = module.memories[target]
        operands: tuple[ValType, ...] = ()
        size, grow = code.memory_size(index), code.memory_grow(index)
        highest = ((1 << 64) if limits.is_64 else (1 << 32)) // limits.page_size
    else:
        table = module.tables[target]
        limits, operands = table.limits, (table.type,)
        size, grow = code.table_size(index), code.table_grow(index)
        highest = 1 << (64 if limits.is_64 else 32)
    ops = code.address_ops(limits.is_64)
    signature = FuncType((*operands, ops.type), (ops.type,))
    width = 64 if limits.is_64 else 32
    maximum = min(limits.maximum if limits.maximum is not None else highest, highest, (1 << width) - 1)
    delta = code.local_get(len(operands))
    result = len(signature.params)
    fits = delta + ops.const(maximum) + size + ops.sub + ops.le_u
    before = b""
    if bounds is not None and counts_together(module, opcode, bounds):
        before = fits + code.if_(_refuse(module, opcode, delta, limits, bounds))
    refused = code.parameters(signature) + grow + code.local_tee(result) + ops.const(-1) + ops.eq
    body = before + refused + code.if_(fits + code.if_(code.UNREACHABLE)) + code.local_get(result) + code.END
    return signature, code.locals_(ops.type) + body


def _refuse(module: Module, opcode: int, delta: bytes, limits: Limits, bounds: Bounds) -> bytes:
    """Instructions that trap where all memories, or tables, would be larger together than they may be.

    They count in bytes, or elements, of 64 bits: `most` is at most 2**61, so a sum that is not yet refused can't wrap.
    """
    if opcode == MEMORY_GROW:
        sizes = [(code.memory_size(index), memory) for index, memory in enumerate(module.memories)]
        most, total = bounds.memory, code.i64_const(bounds.memory_elsewhere)
    else:
        sizes = [(code.table_size(index), table.limits) for index, table in enumerate(module.tables)]
        most, total = bounds.elements, code.i64_const(bounds.elements_elsewhere)
    most = min(most, _LARGEST)
    ops = code.I64_OPS
    for size, of_one in sizes:
        total += _units(size, of_one, opcode) + ops.add
    trap_if_greater = ops.gt_u + code.if_(code.UNREACHABLE)
    too_many = _extended(delta, limits) + code.i64_const(most >> _shift(limits, opcode)) + trap_if_greater
    return too_many + total + _units(delta, limits, opcode) + ops.add + code.i64_const(most) + trap_if_greater


def _units(number: bytes, limits: Limits, opcode: int) -> bytes:
    """Pages as bytes; elements as they are."""
    return _extended(number, limits) + code.i64_const(_shift(limits, opcode)) + code.I64_OPS.shl


def _extended(number: bytes, limits: Limits) -> bytes:
    return number if limits.is_64 else number + code.I64_EXTEND_I32_U


def _shift(limits: Limits, opcode: int) -> int:
    return limits.page_size.bit_length() - 1 if opcode == MEMORY_GROW else 0


#: Twice as much still is a positive number of 64 bits.
_LARGEST = 1 << 61
