"""A module that puts many functions into a table at once: from the host, each takes two calls of a microsecond."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...binary import encoder as write
from ...binary.module import SectionId
from ...binary.sections import ExternKind
from ...binary.types import FUNCREF, I32, FuncType, Limits
from ..guest import GENERATED

_PAGE = 65536

_END = b"\x0b"
_GET_I, _CONST = b"\x20\0", b"\x41"
_ADD, _TO_I64 = b"\x6a", b"\xad"


def memory_needed(count: int) -> int:
    """Bytes of the memory of a module that puts `count` functions into a table."""
    return -(-4 * count // _PAGE) * _PAGE


def filler_module(places: Sequence[int], start: int, is_64: bool) -> bytes:
    """A module that imports two tables: it puts what the first has at `places` into the second, from `start` on.

    It does so when it is instantiated; traps where one is too small. `is_64`: the second table has 64 bit indices.
    """
    count = len(places)
    index = _GET_I + _CONST + write.sleb(start) + _ADD + (_TO_I64 if is_64 else b"")
    place = _GET_I + _CONST + b"\x02\x74" + b"\x28\x02\0"  # i32.load (i32.shl i 2)
    move = index + place + b"\x25\0" + b"\x26\x01"  # table.set 1 (...) (table.get 0 ...)
    step = _GET_I + _CONST + b"\x01" + _ADD + b"\x22\0"
    step += _CONST + write.sleb(count) + b"\x49\x0d\0"  # br_if (i32.lt_u i count)
    body = b"\x01\x01" + I32 + b"\x03\x40" + move + step + _END + _END
    data = struct.pack(f"<{count}I", *places)
    tables = [FUNCREF + write.limits(Limits(0, None)), FUNCREF + write.limits(Limits(0, None, is_64=is_64))]
    name = write.name(GENERATED)
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(FuncType((), ()))])),
            write.section(SectionId.IMPORT, write.vector([b"\0\0" + bytes((ExternKind.TABLE,)) + t for t in tables])),
            write.section(SectionId.FUNCTION, write.vector([b"\0"])),
            write.section(SectionId.MEMORY, write.vector([write.limits(Limits(memory_needed(count) // _PAGE, None))])),
            write.section(SectionId.START, b"\0"),
            write.section(SectionId.CODE, write.vector([write.code_entry(body)])),
            write.section(SectionId.DATA, write.vector([b"\0" + _CONST + b"\0" + _END + write.uleb(len(data)) + data])),
            write.custom_section("name", b"\0" + write.uleb(len(name)) + name),
        ]
    )
