"""Instructions that give imported memories and tables the snapshot's content, whatever they hold when it starts.

Memories and tables are grown to the size that they had, cleared, and filled from passive segments, which are dropped
then. One that is larger than it was stays larger.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.sections import Table
from ...binary.types import Limits, is_nullable
from ..snapshot import Reference
from .elements import Placed, fill_of, reference_expression
from .segments import Run

#: One local of each address type, with which memories are cleared: an i32 and an i64.
LOCALS = b"\x02\x01\x7f\x01\x7e"

_IF, _BLOCK, _LOOP, _END, _UNREACHABLE = b"\x04\x40", b"\x02\x40", b"\x03\x40", b"\x0b", b"\x00"
_ZERO = b"\x41\x00"


def _number(value: int, is_64: bool) -> bytes:
    return offset_constant(value, is_64)[:-1]


def _grow(size: bytes, grow: bytes, before: bytes, wanted: int, is_64: bool) -> bytes:
    """Grows to `wanted`, and traps where that is refused; `before` stands under the number that is grown by."""
    less, subtract, equal = (b"\x54", b"\x7d", b"\x51") if is_64 else (b"\x49", b"\x6b", b"\x46")
    target = _number(wanted, is_64)
    minus_one = (b"\x42" if is_64 else b"\x41") + write.sleb(-1)
    refused = minus_one + equal + _IF + _UNREACHABLE + _END
    return size + target + less + _IF + before + target + size + subtract + grow + refused + _END


def restore_memory(index: int, limits: Limits, pages: int, runs: list[tuple[Run, int]]) -> bytes:
    """For memory `index`, which had `pages`; `runs` with the index of the passive segment that holds each."""
    memory, is_64 = write.uleb(index), limits.is_64
    size = b"\x3f" + memory
    code = _grow(size, b"\x40" + memory, b"", pages, is_64)
    fill = b"\xfc\x0b" + memory
    if limits.page_size == 1:
        code += _number(0, is_64) + _ZERO + size + fill
    else:  # a page at a time, from the last: the size in bytes may not fit the address type
        zero_test, subtract, shift = (b"\x50", b"\x7d", b"\x86") if is_64 else (b"\x45", b"\x6b", b"\x74")
        local = b"\x01" if is_64 else b"\x00"
        page = limits.page_size.bit_length() - 1
        code += size + b"\x21" + local + _BLOCK + _LOOP
        code += b"\x20" + local + zero_test + b"\x0d\x01"
        code += b"\x20" + local + _number(1, is_64) + subtract + b"\x22" + local
        code += _number(page, is_64) + shift + _ZERO + _number(limits.page_size, is_64) + fill
        code += b"\x0c\x00" + _END + _END
    for run, segment in runs:
        number = write.uleb(segment)
        length = _number(run.end - run.start, False)
        code += _number(run.start, is_64) + _ZERO + length + b"\xfc\x08" + number + memory + b"\xfc\x09" + number
    return code


def restore_table(index: int, table: Table, content: Sequence[Reference], placed: list[Placed]) -> bytes:
    """For table `index`, which held `content`; `placed` are its segments."""
    if not content and not is_nullable(table.type):
        return b""  # nothing to put into it
    number, is_64 = write.uleb(index), table.limits.is_64
    null = reference_expression(fill_of(table, content), table.type)[:-1]
    size = b"\xfc\x10" + number
    code = _grow(size, b"\xfc\x0f" + number, null, len(content), is_64)
    code += _number(0, is_64) + null + size + b"\xfc\x11" + number
    for part in placed:
        segment = write.uleb(part.segment)
        count = _number(part.length, False)
        code += _number(part.start, is_64) + _ZERO + count + b"\xfc\x0c" + segment + number + b"\xfc\x0d" + segment
    return code
