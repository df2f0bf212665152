"""Globals: what each starts with, and setting imported ones.

A mutable import is set by a start function, since its value comes from outside; and where a constant one has another
value than at build time, that function traps.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.constexpr import constant
from ...binary.module import Module, SectionId
from ...binary.types import F32, F64, I32, I64
from ..plan.owners import Owners
from ..snapshot import GlobalsState
from .plan import GlobalsPlan
from .references import reference_expression, reference_value

#: For each type, the instructions that tell two values apart bit by bit: what to do with each, then how to compare.
_DIFFERS = {
    I32: (b"", code.I32_OPS.ne),
    I64: (b"", code.I64_OPS.ne),
    F32: (code.I32_REINTERPRET_F32, code.I32_OPS.ne),
    F64: (code.I64_REINTERPRET_F64, code.I64_OPS.ne),
}
_V128_DIFFERS = (b"", code.I8X16_NE + code.V128_ANY_TRUE)


def global_section(module: Module, state: GlobalsState, plan: GlobalsPlan) -> write.Pieces:
    """Globals that were captured start with their value now; all others keep their initializer."""
    entries = []
    for index, entry in list(enumerate(module.globals))[plan.owners.first_defined :]:
        initializer = entry.initializer.raw if entry.initializer else b""
        if index in state.numbers:
            initializer = constant(entry.type, state.numbers[index])
        elif index in state.references:
            initializer = reference_expression(state.references[index], entry.type)
        entries.append(entry.type + bytes((entry.mutable,)) + initializer)
    entries += [I32 + b"\x01" + constant(I32, bytes(4))] * plan.added
    return write.section(SectionId.GLOBAL, write.vector(entries)) if entries else []


def set_globals(module: Module, state: GlobalsState, owners: Owners) -> bytes:
    """Instructions that set imported globals; none where there is nothing to set."""
    return b"".join(_set_global(module, state, index) for index in range(owners.first_defined))


def _set_global(module: Module, state: GlobalsState, index: int) -> bytes:
    return b"".join(_instructions(module, state, index))


def _instructions(module: Module, state: GlobalsState, index: int) -> Iterator[bytes]:
    entry = module.globals[index]
    if index in state.numbers:
        value = code.value(entry.type, state.numbers[index])
        if not entry.mutable:
            convert, compare = _DIFFERS.get(entry.type, _V128_DIFFERS)
            differs = code.global_get(index) + convert + value + convert + compare
            yield differs + code.if_(code.UNREACHABLE)
        elif state.numbers[index] != state.numbers_before[index]:  # else it is the host's to choose
            yield value + code.global_set(index)
    elif entry.mutable and index in state.references:
        yield reference_value(state.references[index], entry.type) + code.global_set(index)
