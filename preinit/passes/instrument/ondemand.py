"""The state of a module without its functions, for compilation on demand: they come later, in modules of their own."""

from __future__ import annotations

from ...binary import encoder as write
from ...binary import externs
from ...binary.growth import Bounds
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind
from ...engine.guest import StateCode
from .additions import Additions, free_prefix
from .globals import read_globals
from .instrumented import Instrumented
from .memories import active_data
from .segments import NO_PROBES

_KEPT = (SectionId.TABLE, SectionId.MEMORY, SectionId.GLOBAL)


def instrument_state(module: Module, bounds: Bounds | None = None, tags: bool = True) -> tuple[StateCode, Instrumented]:
    """The state alone, for a module whose functions come later: everything but functions, all of it exported.

    For modules of which `engine.ondemand.suitability` approves: nothing in their state names a function or a type.
    `bounds`: how far memories and tables may grow together. `tags`: without, the module must define all that it has.
    """
    add = Additions(module, free_prefix(module), 0)
    kinds: dict[ExternKind, int] = {
        ExternKind.TABLE: len(module.tables),
        ExternKind.MEMORY: len(module.memories),
        ExternKind.GLOBAL: len(module.globals),
        ExternKind.TAG: len(module.tags) if tags else 0,
    }
    names = {kind: tuple(add.export(kind, i, kind.name.lower()) for i in range(n)) for kind, n in kinds.items()}
    used = [entry.type_index for entry in module.imports if entry.kind == ExternKind.FUNC]
    types = {
        index: add.type(signature)
        for index in (*used, *(module.tags if tags else ()))
        if (signature := module.types.functions[index])
    }
    # Imported functions are of no use here: whether they have the right type is found when this is instantiated.
    imports = [write.name("") * 2 + externs.imported(entry, types.get(entry.type_index)) for entry in module.imports]
    own_tags = module.tags[sum(entry.kind == ExternKind.TAG for entry in module.imports) :]
    tag_entries = [b"\0" + write.uleb(types[index]) for index in own_tags] if tags else []
    contents = {
        SectionId.TYPE: add.types,
        SectionId.IMPORT: imports,
        SectionId.TAG: tag_entries,
        SectionId.EXPORT: add.exports,
    }
    memories = dict(enumerate(names[ExternKind.MEMORY]))
    data = active_data(module, memories)
    sections: list[write.Pieces] = []
    for number in write.SECTION_ORDER:
        present = module.section(number)
        if contents.get(SectionId(number)):
            sections.append(write.section(number, write.vector(contents[SectionId(number)])))
        elif present and (number in _KEPT or (number == SectionId.DATA and data is None)):
            sections.append(write.section(number, module.payload(present)))
    start = None if module.start is None else f"{add.prefix}start"
    entries = {} if start is None or module.start is None else {start: module.start}
    code = StateCode(
        module,
        write.assemble(sections),
        names[ExternKind.TABLE],
        names[ExternKind.MEMORY],
        names[ExternKind.GLOBAL],
        names[ExternKind.TAG],
        entries,
        data or (),
        bounds,
    )
    globals_ = {index: code.globals[index] for index in read_globals(module)}
    return code, Instrumented(memories, globals_, dict(enumerate(code.tables)), NO_PROBES, start)
