"""What a call returned, as numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...binary.types import F32, F64, I32, I64, is_numeric
from ..plan.arguments import Call


def numeric_results(call: Call, raw: Sequence[bytes]) -> tuple[int | float | None, ...]:
    """What a call returned, for the report; None for a value that is not a number."""
    values: list[int | float | None] = []
    for value_type, bits in zip(call.type.results, raw, strict=True):
        if value_type in (I32, I64):
            values.append(int.from_bytes(bits[: 4 if value_type == I32 else 8], "little", signed=True))
        elif is_numeric(value_type) and value_type in (F32, F64):
            values.append(struct.unpack("<f" if value_type == F32 else "<d", bits[: 4 if value_type == F32 else 8])[0])
        else:
            values.append(None)
    return tuple(values)
