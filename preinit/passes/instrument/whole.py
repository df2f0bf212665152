"""The copy of a module that is run: everything that must be read is exported, and nothing runs by itself.

All indices stay as they are; what is added comes last in its index space. Custom sections are left out: the engine has
no use for them, and names are taken from the original.
"""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.growth import Bounds, growing_functions, guard
from ...binary.module import Module, SectionId
from ...binary.opcodes import MEMORY_GROW
from ...binary.sections import ExternKind, Mode
from ...binary.types import FUNCREF, FuncType, Limits, ValType, is_numeric
from ...engine.guest import GrowthGuard, GuestCode, Instrumented
from .additions import Additions, active_data, free_prefix, is_read, without_active_data

Pieces = list[bytes | memoryview]


def instrument(module: Module, bounds: Bounds | None = None) -> tuple[GuestCode, Instrumented]:
    """The instrumented copy of a module, and where to find things in it. Growth past `bounds` is refused in it."""
    add = Additions(module, free_prefix(module), len(module.types.functions))
    memories = {i: add.export(ExternKind.MEMORY, i, "memory") for i in range(len(module.memories))}
    globals_ = {
        i: add.export(ExternKind.GLOBAL, i, "global") for i, entry in enumerate(module.globals) if is_read(entry)
    }
    tables = {i: add.export(ExternKind.TABLE, i, "table") for i in range(len(module.tables))}
    start = None if module.start is None else add.export(ExternKind.FUNC, module.start, "start")
    candidates = _candidates(add)
    probes = _data_probes(add)
    element_probes = _element_probes(add)
    guards: dict[int, GrowthGuard] = {}
    shifts: dict[int, list[tuple[int, int]]] = {}
    code, unknown = _code(add, guards, shifts, bounds)
    data = active_data(module, memories) or ()
    sections: list[Pieces] = []
    for number in write.SECTION_ORDER:
        if number == SectionId.START:
            continue
        if number == SectionId.CODE:
            if code:
                sections.append([bytes((number,)) + write.uleb(sum(map(len, code))), *code])
            continue
        if number == SectionId.DATA and data:
            sections.append(without_active_data(module))
            continue
        added = {
            SectionId.TYPE: add.types,
            SectionId.FUNCTION: add.functions,
            SectionId.TABLE: add.tables,
            SectionId.MEMORY: add.memories,
            SectionId.EXPORT: add.exports,
            SectionId.ELEMENT: add.elements,
        }.get(SectionId(number), [])
        sections.append(extended_section(module, number, added))
    references = module.references if candidates else ()
    guest = GuestCode(module, write.assemble(sections), guards, shifts, candidates, references, unknown, data)
    return guest, Instrumented(memories, globals_, tables, start, probes, element_probes)


def _candidates(add: Additions) -> str | None:
    """A table that holds every function that a reference can name: who reads it knows each by its identity."""
    module = add.module
    holds_references = module.tables or any(g.mutable and not is_numeric(g.type) for g in module.globals)
    if not module.references or not holds_references:
        return None
    table = len(module.tables) + len(add.tables)
    size = len(module.references)
    add.tables.append(FUNCREF + write.limits(Limits(size, size)))
    functions = write.vector([write.uleb(index) for index in module.references])
    add.elements.append(b"\x02" + write.uleb(table) + _CONST_0 + _END + b"\x00" + functions)
    return add.export(ExternKind.TABLE, table, "candidates")


# -- probes ------------------------------------------------------------------------------------------------------------

_CONST_0, _CONST_1, _END, _UNREACHABLE = b"\x41\x00", b"\x41\x01", b"\x0b", b"\x00"
_NO_LOCALS = b"\0"


def _data_probes(add: Additions) -> dict[int, str]:
    """`memory.init` of one byte into a scratch memory: traps if and only if the segment was dropped."""
    module = add.module
    passive = [i for i, s in enumerate(module.data_segments) if s.mode is Mode.PASSIVE and s.end > s.start]
    if not passive or module.section(SectionId.DATA_COUNT) is None:  # without a count, no code can drop one
        return {}
    scratch = len(module.memories) + len(add.memories)
    add.memories.append(write.limits(Limits(1, 1, page_size_log2=0)))
    probes = {}
    for index in passive:
        init = b"\xfc\x08" + write.uleb(index) + write.uleb(scratch)
        body = _NO_LOCALS + _CONST_0 * 2 + _CONST_1 + init + _END
        probes[index] = add.export(ExternKind.FUNC, add.function(FuncType((), ()), body), "data")
    return probes


def _element_probes(add: Additions) -> dict[int, str]:
    """`table.init` of one element into a scratch table of the segment's type."""
    module = add.module
    scratch: dict[ValType, int] = {}
    probes = {}
    for index, segment in enumerate(module.elements):
        if segment.mode is not Mode.PASSIVE or not segment.length:
            continue
        nullable = b"\x63" + segment.type[1:] if segment.type[0] == 0x64 else segment.type
        if nullable not in scratch:
            scratch[nullable] = len(module.tables) + len(add.tables)
            add.tables.append(nullable + write.limits(Limits(1, 1)))
        init = b"\xfc\x0c" + write.uleb(index) + write.uleb(scratch[nullable])
        body = _NO_LOCALS + _CONST_0 * 2 + _CONST_1 + init + _END
        probes[index] = add.export(ExternKind.FUNC, add.function(FuncType((), ()), body), "element")
    return probes


# -- growth guards -----------------------------------------------------------------------------------------------------


def _code(
    add: Additions, guards: dict[int, GrowthGuard], shifts: dict[int, list[tuple[int, int]]], bounds: Bounds | None
) -> tuple[Pieces, int | None]:
    """The code section's payload, with every growth instruction replaced by a call of a guard.

    A refused growth gives the guest -1, it goes on with what it has, and a snapshot would freeze that. The guard traps
    instead, but not where the module's own maximum is the reason: that is the same everywhere.
    """
    module = add.module
    if module.section(SectionId.CODE) is None and not add.bodies:
        return [], None
    found, unknown = growing_functions(module)
    ranges = module.bodies if found else ()
    numbers: dict[tuple[int, int], int] = {}
    pieces: Pieces = []
    count, entries = module.code_entries()
    base = module.section(SectionId.CODE)
    position = base.end - len(entries) if base else 0
    view = memoryview(module.data)
    for defined, growths in found.items():
        entry, start, end = ranges[defined]
        body: Pieces = []
        at = start
        shift = 0
        moved = shifts.setdefault(module.imported_functions + defined, [])
        for growth in growths:
            key = (growth.opcode, growth.target)
            if key not in numbers:
                numbers[key] = add.function(*guard(module, growth.opcode, growth.target, bounds=bounds))
                guards[numbers[key]] = GrowthGuard("memory" if growth.opcode == MEMORY_GROW else "table", growth.target)
            call = b"\x10" + write.uleb(numbers[key])
            body += [view[at : growth.start], call]
            shift += len(call) - (growth.end - growth.start)
            at = growth.end
            moved.append((at - start + shift, shift))
        body.append(view[at:end])
        size = write.uleb(sum(map(len, body)))
        pieces += [view[position:entry], size, *body]
        position = end
    if base:
        pieces.append(view[position : base.end])
    return [write.uleb(count + len(add.bodies)), *pieces, *add.bodies], unknown
