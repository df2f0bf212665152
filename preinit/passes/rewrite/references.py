"""References as constant expressions."""

from __future__ import annotations

from ...binary import assembler as code
from ...binary.types import ValType
from ..snapshot import I31, Reference


def reference_value(reference: Reference, reference_type: ValType) -> bytes:
    """The instructions that give a reference."""
    if reference is None:
        return code.ref_null(reference_type)
    if isinstance(reference, I31):
        return code.i32_const(reference.value) + code.REF_I31
    return code.ref_func(reference)


def reference_expression(reference: Reference, reference_type: ValType) -> bytes:
    """The constant expression of a reference."""
    return reference_value(reference, reference_type) + code.END
