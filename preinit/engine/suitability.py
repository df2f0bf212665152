"""Which modules can be compiled on demand. For the others there is a reason, in words for the user."""

from __future__ import annotations

from ..binary.constexpr import integer_of
from ..binary.module import Module
from ..binary.sections import Mode
from ..binary.types import NUMERIC_SIZES, ValType

#: Bytes of code below which compiling everything is as fast.
WORTHWHILE = 300_000

#: Every piece of code imports all of the module's tables, memories, globals and tags: more of them than a compiled
#: language has would cost more than is gained.
MOST_STATE = 200


def unsuitable(module: Module) -> str | None:
    """Why a module can't be compiled on demand; None if it can.

    What this does not find, an instruction that no piece of code can hold, is found when that code is needed.
    """
    reason = _invalid(module)
    if reason:
        return reason
    if not module.bodies:
        return "it has no functions of its own"
    if module.types.has_gc:
        return "it has recursion groups or subtypes"
    if any(t is None or any(map(_is_typed, t.params + t.results)) for t in module.types.functions):
        return "it has types that refer to types"
    holders = [table.type for table in module.tables] + [entry.type for entry in module.globals]
    if any(map(_is_typed, holders)):
        return "a table or global holds typed references"
    initializers = [entry.initializer for entry in module.globals] + [table.initializer for table in module.tables]
    if any(expression and expression.functions for expression in initializers):
        return "a table or global starts with a function"
    if any(segment.mode is Mode.PASSIVE and segment.end > segment.start for segment in module.data_segments):
        return "it has passive data segments"
    for segment in module.elements:
        if segment.mode is Mode.PASSIVE and segment.length:
            return "it has passive element segments"
        if segment.mode is Mode.ACTIVE and segment.length:
            if segment.length != len(segment.functions) or segment.offset is None:
                return "an element segment has other elements than functions, or no constant offset"
            if integer_of(segment.offset) is None:
                return "an element segment has no constant offset"
    if len(module.tables) + len(module.memories) + len(module.globals) + len(module.tags) > MOST_STATE:
        return f"it has more than {MOST_STATE} tables, memories, globals and tags"
    return None


def _is_typed(value_type: ValType) -> bool:
    """Whether a type names another type of the module: all that do are longer than one byte."""
    return len(value_type) > 1 and value_type not in NUMERIC_SIZES


def _invalid(module: Module) -> str | None:
    """Whether an index is out of range: compiling the whole module says which."""
    functions, types = len(module.function_types), module.types.functions
    if len(module.bodies) != functions - module.imported_functions:
        return "it is not valid"
    used_types = {*module.function_types, *module.tags}
    named = {e.target for e in module.exports if e.kind == 0} | ({module.start} if module.start is not None else set())
    named.update(max(segment.functions, default=0) for segment in module.elements)
    if any(index >= len(types) or types[index] is None for index in used_types) or any(i >= functions for i in named):
        return "it is not valid"
    if any(segment.table >= len(module.tables) for segment in module.elements):
        return "it is not valid"
    return None


def worthwhile(module: Module) -> bool:
    """Whether a module is so large that compiling it as a whole takes longer."""
    return sum(body.end - body.start for body in module.bodies) >= WORTHWHILE
