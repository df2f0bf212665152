"""Functions that the output has in addition to the input's, after them: the code that there was keeps its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.module import Module, SectionId
from ...binary.types import NUMERIC_SIZES, FuncType
from .plan import Added, NoOp


def _no_op_body(module: Module, noop: NoOp) -> bytes:
    type_index, raw = noop
    function_type = module.types.functions[type_index]
    assert function_type is not None
    results = zip(function_type.results, raw, strict=True)
    return b"".join(code.value(kind, bits[: NUMERIC_SIZES.get(kind, 0)]) for kind, bits in results)


def function_sections(
    module: Module,
    noops: Sequence[NoOp],
    added: Sequence[Added],
    types_of_added: Sequence[FuncType],
    start: bytes,
    start_locals: bytes,
) -> dict[int, write.Pieces]:
    """The sections that change where functions are appended: `noops`, then `added`, then one of `start`'s instructions.

    `types_of_added`: types that the code of `added` names, after the module's own.

    That one becomes the start function; there is none where `start` is empty.
    """
    types = [type_index for type_index, _ in noops]
    bodies = [code.NO_LOCALS + _no_op_body(module, noop) for noop in noops]
    changed: dict[int, write.Pieces] = {}
    if start:
        changed[SectionId.START] = write.section(
            SectionId.START, write.uleb(len(module.function_types) + len(noops) + len(added))
        )
        added = (*added, Added(FuncType((), ()), start_locals, start))
    new_types = [*types_of_added]
    for function in added:
        types.append(_type_index(module, function.type, new_types))
        bodies.append(function.locals + function.body)
    if new_types:
        changed[SectionId.TYPE] = extended_section(module, SectionId.TYPE, list(map(write.function_type, new_types)))
    if bodies:
        functions = [write.uleb(type_index) for type_index in types]
        changed[SectionId.FUNCTION] = extended_section(module, SectionId.FUNCTION, functions)
        entries = [write.code_entry(body + code.END) for body in bodies]
        changed[SectionId.CODE] = extended_section(module, SectionId.CODE, entries)
    return changed


def _type_index(module: Module, wanted: FuncType, new: list[FuncType]) -> int:
    """The index of a type; one that the module lacks is added to `new`."""
    if wanted in module.types.functions and not module.types.has_gc:
        return module.types.functions.index(wanted)
    if wanted not in new:
        new.append(wanted)
    return len(module.types.functions) + new.index(wanted)
