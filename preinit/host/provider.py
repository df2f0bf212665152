"""A generated module that provides the imports which only exist so that the guest can be linked.

A module, and not host functions: it can have every type that a module can import, and the engine's Python binding
can't build all of them.
"""

from __future__ import annotations

from ..binary import encoder as write
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind, Import
from ..binary.types import FuncType
from ..engine.guest import GENERATED


def provider(module: Module, imports: list[tuple[int, Import]]) -> tuple[bytes, list[str]]:
    """The module, and the name of its export for each of `imports` (position among all imports, entry).

    It imports one function of type (i32) -> (): each function that it exports calls it with its position, then traps.
    """
    types, fault_type = _types(module)
    functions: list[bytes] = []
    bodies: list[bytes] = []
    tags: list[bytes] = []
    exports: list[bytes] = []
    names = []
    for position, entry in imports:
        name = str(position)
        names.append(name)
        if entry.kind == ExternKind.FUNC:
            exports.append(write.export(name, ExternKind.FUNC, 1 + len(functions)))
            functions.append(write.uleb(entry.type_index))
            bodies.append(write.code_entry(b"\0\x41" + write.sleb(position) + b"\x10\x00\x00\x0b"))
        else:
            exports.append(write.export(name, ExternKind.TAG, len(tags)))
            tags.append(b"\0" + write.uleb(entry.type_index))
    fault = write.name("preinit") + write.name("fault") + bytes((ExternKind.FUNC,)) + write.uleb(fault_type)
    sections = [
        types,
        write.section(SectionId.IMPORT, write.vector([fault])),
        write.section(SectionId.FUNCTION, write.vector(functions)),
        *([write.section(SectionId.TAG, write.vector(tags))] if tags else []),
        write.section(SectionId.EXPORT, write.vector(exports)),
        write.section(SectionId.CODE, write.vector(bodies)),
        write.custom_section("name", b"\0" + write.uleb(len(write.name(GENERATED))) + write.name(GENERATED)),
    ]
    return write.assemble(sections), names


def _types(module: Module) -> tuple[list[bytes | memoryview], int]:
    """The module's type section and one more type, (i32) -> (); its index."""
    section = module.section(SectionId.TYPE)
    extra = write.function_type(FuncType((b"\x7f",), ()))
    if section is None:
        return write.section(SectionId.TYPE, write.vector([extra])), 0
    payload = bytes(module.payload(section))
    size = next(i for i, byte in enumerate(payload) if byte < 0x80) + 1
    groups = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(payload[:size]))
    content = write.uleb(groups + 1) + payload[size:] + extra
    return write.section(SectionId.TYPE, content), len(module.types.functions)
