"""Growth guards as modules of their own, for code that is compiled on demand: see `binary.growth`."""

from __future__ import annotations

from ...binary import encoder as write
from ...binary import externs
from ...binary.growth import Bounds, counts_together, guard
from ...binary.module import Module, SectionId
from ...binary.opcodes import MEMORY_GROW
from ...binary.sections import ExternKind

#: The name of a guard's module starts with this; opcode and index of what it grows follow.
GUARD = "preinit:guard:"


def guard_module(module: Module, opcode: int, target: int, bounds: Bounds | None) -> bytes:
    """A module that exports the function "guard", which grows memory or table `target`, within `bounds`.

    It imports that memory or table, or all of them where it `counts_together`.
    """
    together = counts_together(module, opcode, bounds)
    signature, body = guard(module, opcode, target, place=None if together else 0, bounds=bounds)
    if opcode == MEMORY_GROW:
        imported = [externs.memory(memory) for memory in module.memories]
    else:
        imported = [externs.table(table) for table in module.tables]
    imported = imported if together else imported[target : target + 1]
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(signature)])),
            write.section(SectionId.IMPORT, write.vector([b"\0\0" + entry for entry in imported])),
            write.section(SectionId.FUNCTION, write.vector([b"\0"])),
            write.section(SectionId.EXPORT, write.vector([write.export("guard", ExternKind.FUNC, 0)])),
            write.section(SectionId.CODE, write.vector([write.code_entry(body)])),
            write.module_name(f"{GUARD}{opcode}:{target}"),
        ]
    )
