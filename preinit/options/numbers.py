"""Numbers that a user wrote, as the bits of a WebAssembly value."""

from __future__ import annotations

import math
import re
import struct

from ..binary.types import F32, F64, I32, I64, V128, ValType

#: How far a word can lie behind an address, in bytes.
FARTHEST = (1 << 32) - 1

#: Python would take underscores and the digits of every script, too.
_INTEGER = r"[+-]?(?:[0-9]+|0[xX](?P<hex>[0-9a-fA-F]+))"
_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_HEX_FLOAT = r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
_SPECIAL = r"(?i)[+-]?(?:inf|infinity|nan)"


def is_number(text: str) -> bool:
    """Whether a text is a number of some type."""
    return any(re.fullmatch(pattern, text) for pattern in (_INTEGER, _DECIMAL, _HEX_FLOAT, _SPECIAL))


def encode(value_type: ValType, text: str) -> bytes:
    """The raw little-endian bytes, as many as the type has. Integers may be signed or unsigned, decimal or 0x...

    Raises `ValueError` where the text is not a number of that type.
    """
    if value_type in (I32, I64):
        bits = 32 if value_type == I32 else 64
        match = re.fullmatch(_INTEGER, text)
        if not match:
            raise ValueError("not an integer")
        number = int(text, 16 if match["hex"] else 10)
        if not -(1 << bits - 1) <= number < 1 << bits:
            raise ValueError("out of range")
        return (number & (1 << bits) - 1).to_bytes(bits // 8, "little")
    if value_type == V128 and re.fullmatch("0x[0-9a-fA-F]{1,32}", text):
        return int(text, 16).to_bytes(16, "little")
    if value_type not in (F32, F64):
        raise ValueError("not a number type")
    try:
        return struct.pack("<f" if value_type == F32 else "<d", _float(text))
    except OverflowError as problem:
        raise ValueError("out of range") from problem


def expected(value_type: ValType) -> str:
    """What to write for a number of that type, in a sentence."""
    if value_type in (I32, I64):
        bits = 32 if value_type == I32 else 64
        return f"Write a whole number from {-(1 << bits - 1)} to {(1 << bits) - 1}, decimal or 0x..."
    return "Write a number that fits, such as 0.5, 1e-3, 0x1.8p3, inf or nan."


def _float(text: str) -> float:
    if re.fullmatch(_SPECIAL, text):
        return float(text)
    if re.fullmatch(_HEX_FLOAT, text):
        return float.fromhex(text)
    if not re.fullmatch(_DECIMAL, text):
        raise ValueError("not a number")
    number = float(text)
    if math.isinf(number):
        raise OverflowError
    return number
