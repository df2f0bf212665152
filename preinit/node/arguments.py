"""Numbers that JavaScript gave or got, as their bits; and bytes, as what writes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from ..binary import assembler as code
from ..binary.types import F32, F64, I32, I64, NUMERIC_SIZES, ValType, is_numeric, type_name
from ..errors import Unsupported


def raw(value_type: ValType, value: Any) -> bytes:
    """The raw little-endian bytes of a number as hook.mjs writes it: a number, text with an `n` behind it of a BigInt,
    text of one that JSON lacks; 0 for None. Nothing for a reference, which becomes null. Raises `Unsupported`."""
    if not is_numeric(value_type):
        return b""
    if value is None:
        value = 0
    try:
        number = int(value[:-1]) if isinstance(value, str) and value.endswith("n") else float(value)
        if value_type == F32:
            return struct.pack("<f", number)
        if value_type == F64:
            return struct.pack("<d", number)
        if value_type in (I32, I64):
            size = NUMERIC_SIZES[value_type]
            return (int(number) & (1 << 8 * size) - 1).to_bytes(size, "little")
    except (ValueError, OverflowError, struct.error):
        pass
    raise Unsupported(f"a call with {value!r} for a value of type {type_name(value_type)} can't be made again")


def borrowed(memory: memoryview, address: int, content: bytes, use: bytes, is_64: bool = False) -> bytes:
    """Instructions `use`, between such that write bytes to memory 0, and such that put back what it holds there.

    Both write eight bytes at a time. `is_64`: its addresses are numbers of 64 bits.
    """
    kept = memory[address : address + -(-len(content) // 8) * 8]
    return stores(address, content, is_64) + use + stores(address, kept.tobytes(), is_64)


def changed_words(memory: memoryview, address: int, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Words of eight bytes that memory held from an address on, and does not hold now: where, and what."""
    for at in range(0, len(content), 8):
        word = content[at : at + 8]
        if memory[address + at : address + at + len(word)] != word:
            yield address + at, word


def stores(address: int, content: bytes, is_64: bool = False) -> bytes:
    """Instructions that write bytes to memory 0, eight at a time: zeros fill up the last eight."""
    return b"".join(
        code.address_ops(is_64).const(address + at)
        + code.value(I64, content[at : at + 8].ljust(8, b"\0"))
        + code.store(I64, 0, 0)
        for at in range(0, len(content), 8)
    )
