"""The copy of a module that its glue gets: everything that must be read is exported; start function and data stay.

The glue sees nothing of what is added: its exports have names that are left out. Custom sections stay, too: glue reads
some (`dylink.0`).
"""

from __future__ import annotations

from typing import Any

from ..binary import assembler as code
from ..binary import encoder as write
from ..binary.extend import extended_section
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind, Mode
from ..binary.types import F32, F64, I32, I64, V128, FuncType, is_numeric
from ..passes.instrument.additions import Additions, free_prefix
from ..passes.instrument.globals import read_globals
from ..passes.instrument.memories import export_memories
from ..passes.instrument.segments import element_probes
from ..passes.instrument.tables import add_candidates, export_tables
from ..symbols.linker import STACK_POINTER, likely_stack_pointer, stack_pointers

#: What gives the bits of a global as integers, the lowest first: their type, and for each the instructions behind
#: `global.get`. JavaScript would change a NaN's bits, and has no vectors.
_BITS = {
    I32: (I32, (b"",)),
    I64: (I64, (b"",)),
    F32: (I32, (code.I32_REINTERPRET_F32,)),
    F64: (I64, (code.I64_REINTERPRET_F64,)),
    V128: (I64, (code.I64X2_EXTRACT_LANE + b"\0", code.I64X2_EXTRACT_LANE + b"\1")),
}


def instrument(module: Module) -> tuple[bytes, dict[str, Any]]:
    """The copy, and what hook.mjs must know of it."""
    add = Additions(module, free_prefix(module), len(module.types.functions))
    memories, tables = export_memories(add), export_tables(add)
    read = read_globals(module)
    numbers = {i: _readers(add, i) for i in read if is_numeric(module.globals[i].type)}
    pointer = stack_pointer(module)
    facts = {
        "prefix": add.prefix,
        "memories": memories,
        "tables": tables,
        "numbers": numbers,
        "held": {i: add.export(ExternKind.GLOBAL, i, "global") for i in read if i not in numbers},
        "probes": {"data": _data_probes(add), "elements": element_probes(add)},
        "candidates": add_candidates(add),
        "references": list(module.references),
        "pointer": numbers[pointer]["readers"][0] if pointer in numbers else None,
        "is64": any(memory.is_64 for memory in module.memories[:1]),
        "wide": [
            (e.module, e.name)
            for e in module.imports
            if e.kind == ExternKind.FUNC and (kind := module.types.functions[e.type_index]) and I64 in kind.params
        ],
    }
    added = {
        SectionId.TYPE: add.types,
        SectionId.FUNCTION: add.functions,
        SectionId.TABLE: add.tables,
        SectionId.EXPORT: add.exports,
        SectionId.ELEMENT: add.elements,
        SectionId.CODE: add.bodies,
    }
    view = memoryview(module.data)
    custom: list[write.Pieces] = [
        [view[s.header : s.end]]
        for s in module.sections
        if s.id == SectionId.CUSTOM and s.title != "name" and not s.title.startswith(".debug")
    ]
    sections = [extended_section(module, n, added.get(SectionId(n), [])) for n in write.SECTION_ORDER]
    return write.assemble([*custom, *sections]), facts


def stack_pointer(module: Module) -> int | None:
    """The global of the stack pointer: by its name, as an import too, or by its place; None where nothing tells."""
    named = stack_pointers(module)
    imported = [entry for entry in module.imports if entry.kind == ExternKind.GLOBAL]
    named |= {index for index, entry in enumerate(imported) if entry.name == STACK_POINTER}
    return min(named) if len(named) == 1 else likely_stack_pointer(module)


def _readers(add: Additions, index: int) -> dict[str, Any]:
    """Functions that give the bits of a numeric global."""
    kind, parts = _BITS[add.module.globals[index].type]
    names = []
    for part in parts:
        body = code.NO_LOCALS + code.global_get(index) + part + code.END
        function = add.function(FuncType((), (kind,)), body)
        names.append(add.export(ExternKind.FUNC, function, "bits"))
    return {"readers": names, "wide": kind == I64}


def _data_probes(add: Additions) -> dict[int, str]:
    """Functions that trap if a passive data segment was dropped: `memory.init` of no bytes from its byte 1 on.

    That changes nothing, so it can be done to the module's own memory: Node 20 has no second one.
    """
    module = add.module
    if module.section(SectionId.DATA_COUNT) is None or not module.memories:
        return {}
    address = code.address_ops(module.memories[0].is_64).const(0)
    probes = {}
    for index, segment in enumerate(module.data_segments):
        if segment.mode is Mode.PASSIVE and segment.end > segment.start:
            body = address + code.i32_const(1) + code.i32_const(0) + code.memory_init(index, 0)
            function = add.function(FuncType((), ()), code.NO_LOCALS + body + code.END)
            probes[index] = add.export(ExternKind.FUNC, function, "data")
    return probes
