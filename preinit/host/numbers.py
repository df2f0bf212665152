"""Numbers that Python functions take and return, as Python's own."""

from __future__ import annotations

import struct

from ..binary.types import F32, F64, I32, I64, FuncType, ValType
from ..errors import Misfit, UsageError

_NAMES: dict[ValType, str] = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}
_SIZES = {"i32": 4, "i64": 8, "f32": 4, "f64": 8}
_FLOATS = {"f32": "<f", "f64": "<d"}

Number = int | float


def plain(signature: FuncType, what: str) -> tuple[list[str], list[str]]:
    """The names of the types of parameters and results. Raises `Misfit` for others than numbers."""
    if len(signature.results) > 1 or any(t not in _NAMES for t in (*signature.params, *signature.results)):
        raise Misfit(
            f"{what} has type {signature}, which a Python function can't have",
            hint="It may take numbers, i32, i64, f32 and f64, and return one.",
        )
    return [_NAMES[t] for t in signature.params], [_NAMES[t] for t in signature.results]


def number_of(kind: str, bits: bytes) -> Number:
    """The number of that type whose raw bytes, or more, these are; an integer as a signed one."""
    if kind in _FLOATS:
        number: float = struct.unpack(_FLOATS[kind], bits[: _SIZES[kind]])[0]
        return number
    return int.from_bytes(bits[: _SIZES[kind]], "little", signed=True)


def bits_of(kind: str, value: Number) -> bytes:
    """The raw bytes of a number of that type. Raises `UsageError` for one that does not fit."""
    size = _SIZES[kind]
    try:
        if kind in _FLOATS:
            return struct.pack(_FLOATS[kind], value)
        if isinstance(value, int) and -(1 << 8 * size - 1) <= value < 1 << 8 * size:
            return (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    except (struct.error, OverflowError):
        pass
    raise UsageError(f"{value!r} is not a number of type {kind}", hint="Give one that fits.")
