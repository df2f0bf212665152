"""Growth guards as modules of their own, for code that is compiled on demand: see `binary.growth`."""

from __future__ import annotations

from ..binary import encoder as write
from ..binary import externs
from ..binary.growth import guard
from ..binary.module import Module, SectionId
from ..binary.opcodes import MEMORY_GROW
from ..binary.sections import ExternKind

#: The name of a guard's module starts with this; what it grows follows.
GUARD = "preinit:guard:"


def guard_module(module: Module, opcode: int, target: int) -> bytes:
    """A module that imports memory or table `target`, and exports the function "guard" that grows it."""
    signature, body = guard(module, opcode, target, place=0)
    grown = externs.memory(module.memories[target]) if opcode == MEMORY_GROW else externs.table(module.tables[target])
    title = write.name(f"{GUARD}{opcode}:{target}")
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(signature)])),
            write.section(SectionId.IMPORT, write.vector([b"\0\0" + grown])),
            write.section(SectionId.FUNCTION, write.vector([b"\0"])),
            write.section(SectionId.EXPORT, write.vector([write.export("guard", ExternKind.FUNC, 0)])),
            write.section(SectionId.CODE, write.vector([write.code_entry(body)])),
            write.custom_section("name", b"\0" + write.uleb(len(title)) + title),
        ]
    )
