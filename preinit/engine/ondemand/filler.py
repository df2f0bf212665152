"""A module that puts many functions into a table at once: from the host, each takes two calls of a microsecond."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary import externs
from ...binary.module import SectionId
from ...binary.sections import Table
from ...binary.types import FUNCREF, I32, FuncType, Limits
from ..guest import GENERATED

_PAGE = 65536


def memory_needed(count: int) -> int:
    """Bytes of the memory of a module that puts `count` functions into a table."""
    return -(-4 * count // _PAGE) * _PAGE


def filler_module(places: Sequence[int], start: int, is_64: bool) -> bytes:
    """A module that imports two tables: it puts what the first has at `places` into the second, from `start` on.

    It does so when it is instantiated; traps where one is too small. `is_64`: the second table has 64 bit indices.
    """
    count = len(places)
    number = code.local_get(0)
    ops = code.I32_OPS
    index = number + code.i32_const(start) + ops.add + (code.I64_EXTEND_I32_U if is_64 else b"")
    place = number + code.i32_const(2) + ops.shl + code.i32_load()
    move = index + place + code.table_get(0) + code.table_set(1)
    step = number + code.i32_const(1) + ops.add + code.local_tee(0) + code.i32_const(count) + ops.lt_u + code.br_if(0)
    body = code.locals_(I32) + code.loop(move + step) + code.END
    data = struct.pack(f"<{count}I", *places)
    tables = [externs.table(Table(FUNCREF, Limits(0, None, is_64=wide), None)) for wide in (False, is_64)]
    segment = b"\0" + code.i32_const(0) + code.END + write.uleb(len(data)) + data
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(FuncType((), ()))])),
            write.section(SectionId.IMPORT, write.vector([b"\0\0" + described for described in tables])),
            write.section(SectionId.FUNCTION, write.vector([b"\0"])),
            write.section(SectionId.MEMORY, write.vector([write.limits(Limits(memory_needed(count) // _PAGE, None))])),
            write.section(SectionId.START, b"\0"),
            write.section(SectionId.CODE, write.vector([write.code_entry(body)])),
            write.section(SectionId.DATA, write.vector([segment])),
            write.module_name(GENERATED),
        ]
    )
