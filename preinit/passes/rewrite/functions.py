"""Functions that the output has beside the input's, after them: the code that there was keeps its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import encoder as write
from ...binary.constexpr import constant
from ...binary.extend import extended_section
from ...binary.module import Module, SectionId
from ...binary.types import NUMERIC_SIZES, FuncType, ValType, is_numeric
from .elements import heap_type

Pieces = list[bytes | memoryview]

_NO_LOCALS = b"\x00"

#: The index of a function's type, and the raw values that it returns.
NoOp = tuple[int, Sequence[bytes]]


def _value(value_type: ValType, raw: bytes) -> bytes:
    """The instruction that gives a value; null for a reference."""
    if is_numeric(value_type):
        return constant(value_type, raw[: NUMERIC_SIZES[value_type]])[:-1]
    return b"\xd0" + heap_type(value_type)


def _no_op_body(module: Module, noop: NoOp) -> bytes:
    type_index, raw = noop
    function_type = module.types.functions[type_index]
    assert function_type is not None
    return b"".join(_value(*result) for result in zip(function_type.results, raw, strict=True))


def function_sections(module: Module, noops: Sequence[NoOp], start: bytes, start_locals: bytes) -> dict[int, Pieces]:
    """The sections that change where functions are added: `noops` in their order, then one of `start`'s instructions.

    That one becomes the start function; there is none where `start` is empty.
    """
    types = [type_index for type_index, _ in noops]
    bodies = [_NO_LOCALS + _no_op_body(module, noop) for noop in noops]
    changed: dict[int, Pieces] = {}
    if start:
        nothing = FuncType((), ())
        if nothing in module.types.functions and not module.types.has_gc:
            types.append(module.types.functions.index(nothing))
        else:
            types.append(len(module.types.functions))
            changed[SectionId.TYPE] = extended_section(module, SectionId.TYPE, [write.function_type(nothing)])
        bodies.append(start_locals + start)
        index = len(module.function_types) + len(noops)
        changed[SectionId.START] = write.section(SectionId.START, write.uleb(index))
    if bodies:
        functions = [write.uleb(type_index) for type_index in types]
        changed[SectionId.FUNCTION] = extended_section(module, SectionId.FUNCTION, functions)
        code = [write.code_entry(body + b"\x0b") for body in bodies]
        changed[SectionId.CODE] = extended_section(module, SectionId.CODE, code)
    return changed
