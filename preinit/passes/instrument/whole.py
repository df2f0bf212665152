"""The copy of a module that is compiled as a whole: everything that must be read is exported, nothing runs on its own.

All indices stay as they are; what is added comes last in its index space. Custom sections are left out: the engine has
no use for them, and names are taken from the original.
"""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.growth import Bounds
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind
from ...engine.guest import GuestCode
from .additions import Additions, free_prefix
from .globals import export_globals
from .growth import guarded_code
from .instrumented import Instrumented
from .memories import active_data, export_memories, without_active_data
from .segments import add_probes
from .tables import add_candidates, export_tables


def instrument(module: Module, bounds: Bounds | None = None) -> tuple[GuestCode, Instrumented]:
    """The instrumented copy of a module, and where to find things in it. Growth past `bounds` is refused in it."""
    add = Additions(module, free_prefix(module), len(module.types.functions))
    memories, globals_, tables = export_memories(add), export_globals(add), export_tables(add)
    start = None if module.start is None else add.export(ExternKind.FUNC, module.start, "start")
    candidates = add_candidates(add)
    probes = add_probes(add)
    code = guarded_code(add, bounds)
    data = active_data(module, memories) or ()
    replaced: dict[int, write.Pieces] = {SectionId.START: [], SectionId.CODE: []}
    if code.payload:
        head = bytes((SectionId.CODE,)) + write.uleb(sum(map(len, code.payload)))
        replaced[SectionId.CODE] = [head, *code.payload]
    if data:
        replaced[SectionId.DATA] = without_active_data(module)
    added = {
        SectionId.TYPE: add.types,
        SectionId.FUNCTION: add.functions,
        SectionId.TABLE: add.tables,
        SectionId.MEMORY: add.memories,
        SectionId.EXPORT: add.exports,
        SectionId.ELEMENT: add.elements,
    }
    sections = [
        replaced[number] if number in replaced else extended_section(module, number, added.get(SectionId(number), []))
        for number in write.SECTION_ORDER
    ]
    references = module.references if candidates else ()
    guest = GuestCode(
        module, write.assemble(sections), code.guards, code.shifts, candidates, references, code.unknown, data
    )
    return guest, Instrumented(memories, globals_, tables, probes, start)
