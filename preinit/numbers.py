"""Numbers that a user wrote, as the bits of a WebAssembly value."""

from __future__ import annotations

import struct

from .binary.types import F32, F64, I32, I64, ValType


def encode(value_type: ValType, text: str) -> bytes:
    """The raw little-endian bytes, as many as the type has. Integers may be signed or unsigned, decimal or 0x...

    Raises `ValueError` where the text is no number of that type.
    """
    if value_type in (I32, I64):
        bits = 32 if value_type == I32 else 64
        number = int(text, 0)
        if not -(1 << bits - 1) <= number < 1 << bits:
            raise ValueError("out of range")
        return (number & (1 << bits) - 1).to_bytes(bits // 8, "little")
    if value_type not in (F32, F64):
        raise ValueError("not a number type")
    try:
        return struct.pack("<f" if value_type == F32 else "<d", float(text))
    except OverflowError as problem:
        raise ValueError("out of range") from problem
