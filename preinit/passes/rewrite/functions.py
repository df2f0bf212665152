"""Functions that the output has in addition to the input's, after them: the code that there was keeps its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.module import Module, SectionId
from ...binary.types import NUMERIC_SIZES, FuncType
from .frames import Continuations
from .plan import NoOp


def _no_op_body(module: Module, noop: NoOp) -> bytes:
    type_index, raw = noop
    function_type = module.types.functions[type_index]
    assert function_type is not None
    results = zip(function_type.results, raw, strict=True)
    return b"".join(code.value(kind, bits[: NUMERIC_SIZES.get(kind, 0)]) for kind, bits in results)


def function_sections(
    module: Module, noops: Sequence[NoOp], continued: Continuations, start: bytes, start_locals: bytes
) -> dict[int, write.Pieces]:
    """The sections that change where functions are added: `noops` in their order, then continuations, then one of
    `start`'s instructions.

    That one becomes the start function; there is none where `start` is empty.
    """
    types = [type_index for type_index, _ in noops] + [type_index for type_index, _ in continued.functions]
    bodies = [code.NO_LOCALS + _no_op_body(module, noop) for noop in noops]
    bodies += [body.removesuffix(code.END) for _, body in continued.functions]
    new_types = [*continued.types]
    changed: dict[int, write.Pieces] = {}
    if start:
        nothing = FuncType((), ())
        if nothing in module.types.functions and not module.types.has_gc:
            types.append(module.types.functions.index(nothing))
        else:
            if nothing not in new_types:
                new_types.append(nothing)
            types.append(len(module.types.functions) + new_types.index(nothing))
        bodies.append(start_locals + start)
        index = len(module.function_types) + len(bodies) - 1
        changed[SectionId.START] = write.section(SectionId.START, write.uleb(index))
    if new_types:
        added = [write.function_type(new) for new in new_types]
        changed[SectionId.TYPE] = extended_section(module, SectionId.TYPE, added)
    if bodies:
        functions = [write.uleb(type_index) for type_index in types]
        changed[SectionId.FUNCTION] = extended_section(module, SectionId.FUNCTION, functions)
        entries = [write.code_entry(body + code.END) for body in bodies]
        changed[SectionId.CODE] = extended_section(module, SectionId.CODE, entries)
    return changed
