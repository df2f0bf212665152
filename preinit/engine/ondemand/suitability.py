"""Which modules can be compiled on demand. For the others there is a reason."""

from __future__ import annotations

from ...binary.constexpr import evaluate
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind, Global, Mode
from ...binary.types import I32, I64, NUMERIC_SIZES, ValType
from ...errors import InputError
from ...errors.reason import Reason
from .. import ffi
from ..room import check_room_to_validate
from ..runtime import EngineSettings, new_engine
from ..values import EngineError

#: Bytes of code below which compiling everything is as fast.
WORTHWHILE = 1_000_000

#: Bytes of code from which on validating it takes so long that it goes on beside all else.
MUCH_CODE = 20_000_000

#: Every piece of code imports all of the module's tables, memories and tags: more of them than a compiled language has
#: would cost more than is gained. Of many globals, it imports those that it uses.
MOST_STATE = 200
MOST_GLOBALS = 10_000


def unsuitable(module: Module, known: bool = False) -> Reason | None:
    """Why a module can't be compiled on demand; None if it can. `known`: one with the same functions could.

    What this does not find, an instruction that no piece of code can hold, is found when that code is needed.
    """
    if not known and not _is_valid(module):
        return Reason("invalid", "it is not valid")  # compiling the whole module says why
    if not module.bodies:
        return Reason("no-functions", "it has no functions of its own")
    if module.types.has_gc:
        return Reason("gc-types", "it has recursion groups or subtypes")
    if any(t is None or any(map(_is_typed, t.params + t.results)) for t in module.types.functions):
        return Reason("typed-references", "it has types that refer to types")
    if any(memory.shared for memory in module.memories):
        # The engine takes each module that imports one for its owner, and aborts where two own what was out of bounds.
        return Reason("shared-memory", "it has a shared memory")
    holders = [table.type for table in module.tables] + [entry.type for entry in module.globals]
    if any(map(_is_typed, holders)):
        return Reason("typed-references", "a table or global holds typed references")
    initializers = [entry.initializer for entry in module.globals] + [table.initializer for table in module.tables]
    if any(expression and expression.functions for expression in initializers):
        return Reason("function-in-initializer", "a table or global starts with a function")
    if any(segment.mode is Mode.PASSIVE and segment.end > segment.start for segment in module.data_segments):
        return Reason("passive-data", "it has passive data segments")
    for segment in module.elements:
        if segment.mode is Mode.PASSIVE and segment.length:
            return Reason("passive-elements", "it has passive element segments")
        if segment.mode is Mode.ACTIVE:
            if segment.length != len(segment.functions) or segment.offset is None:
                return Reason(
                    "element-segment", "an element segment has other elements than functions, or no constant offset"
                )
            if evaluate(segment.offset, lambda index: _known(module.globals[index])) is None:
                return Reason("element-segment", "an element segment has no constant offset")
    if len(module.tables) + len(module.memories) + len(module.tags) > MOST_STATE:
        return Reason("much-state", f"it has more than {MOST_STATE} tables, memories and tags")
    if len(module.globals) > MOST_GLOBALS:
        return Reason("much-state", f"it has more than {MOST_GLOBALS:,} globals")
    return None


def _known(entry: Global) -> int | None:
    """Any number, if a global is an integer that an offset can name: an instance has its value."""
    return 0 if entry.type in (I32, I64) and not entry.mutable else None


def _is_typed(value_type: ValType) -> bool:
    """Whether a type names another type of the module: all that do are longer than one byte."""
    return len(value_type) > 1 and value_type not in NUMERIC_SIZES


def _is_valid(module: Module) -> bool:
    """Whether a module is valid, apart from its functions' bodies and what is in its data segments.

    What is left out of the module that is run would not be validated: exports, segments, the start function.
    """
    from ...binary.few import outline_of_few
    from ...binary.outline import outline

    try:
        if _has_much_code(module):
            from ..own.walker import walk  # few builds have use for it

            exported = {entry.target for entry in module.exports if entry.kind == ExternKind.FUNC}
            walked = walk(module, sorted(exported))  # outputs may lack some of these exports
            if walked:
                module.keep_walk(*walked)
        _ = module.bodies  # where they are read, their sizes are checked
        check_room_to_validate(module.data)
        bare = outline_of_few(module.data, module.sections, module) or outline(module.data, module.sections, False)
        ffi.validate(new_engine(EngineSettings("cranelift")), bare)
    except (InputError, EngineError):
        return False
    return True


def worthwhile(module: Module) -> bool:
    """Whether a module is so large that compiling it as a whole takes longer."""
    code = module.section(SectionId.CODE)
    return code is not None and code.end - code.start >= WORTHWHILE


def validated_beside(module: Module) -> bool:
    """Whether validation starts with the build and goes on beside it, so that the code of the output needs none.

    One with exceptions is validated in any case: they may be of the old kind, which is the usual reason to be refused.
    """
    return worthwhile(module) if module.tags else _has_much_code(module)


def validated_first(module: Module) -> bool:
    """Whether nothing of a module runs on demand before it was validated: one with exceptions, see above.

    Where that takes longer than all else, the guest runs beside it, and is left alone where the module is refused. It
    may have printed something by then: guests whose effects stay are compiled as a whole, after validation.
    """
    return bool(module.tags) and not _has_much_code(module)


def _has_much_code(module: Module) -> bool:
    code = module.section(SectionId.CODE)
    return code is not None and code.end - code.start >= MUCH_CODE
