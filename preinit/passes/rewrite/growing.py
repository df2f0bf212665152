"""Instructions that make a memory or table as large as it was."""

from __future__ import annotations

from ...binary import assembler as code


def grow_to(size: bytes, grow: bytes, fill: bytes, wanted: int, is_64: bool) -> bytes:
    """Grows to `wanted`, and traps where that is refused. `size` and `grow`: the instructions; `fill`: the operand
    below the number that is grown by, where there is one."""
    ops = code.address_ops(is_64)
    target = ops.const(wanted)
    refused = ops.const(-1) + ops.eq + code.if_(code.UNREACHABLE)
    return size + target + ops.lt_u + code.if_(fill + target + size + ops.sub + grow + refused)
