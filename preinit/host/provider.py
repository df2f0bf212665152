"""A generated module that provides the imports which only exist so that the guest can be linked.

A module, and not host functions: it can have every type that a module can import, and the engine's Python binding
can't build all of them.
"""

from __future__ import annotations

from ..binary import encoder as write
from ..binary.cursor import leading_u32
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind, Import
from ..binary.types import I32, FuncType
from ..engine.guest import GENERATED


def provider(module: Module, imports: list[tuple[int, Import]]) -> tuple[bytes, list[str]]:
    """The module, and the name of its export for each of `imports` (position among all imports, entry).

    It imports one function of type (i32) -> (): each function that it exports calls it with its position, then traps.
    """
    types, index_of, fault_type = _types(module, imports)
    functions: list[bytes] = []
    bodies: list[bytes] = []
    tags: list[bytes] = []
    exports: list[bytes] = []
    names = []
    known_tags: dict[Import, str] = {}
    for position, entry in imports:
        if entry in known_tags:  # one tag, imported twice: what is thrown with one must be caught with the other
            names.append(known_tags[entry])
            continue
        name = str(position)
        names.append(name)
        if entry.kind == ExternKind.FUNC:
            exports.append(write.export(name, ExternKind.FUNC, 1 + len(functions)))
            functions.append(write.uleb(index_of[entry.type_index]))
            bodies.append(write.code_entry(b"\0\x41" + write.sleb(position) + b"\x10\x00\x00\x0b"))
        else:
            exports.append(write.export(name, ExternKind.TAG, len(tags)))
            known_tags[entry] = name
            tags.append(b"\0" + write.uleb(index_of[entry.type_index]))
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


def _types(module: Module, imports: list[tuple[int, Import]]) -> tuple[list[bytes | memoryview], dict[int, int], int]:
    """A type section with the types of `imports` and (i32) -> (); new index of each used type, index of the last one.

    Each type costs compile time, so only the used ones are in it, unless they belong to recursion groups.
    """
    extra = write.function_type(FuncType((I32,), ()))
    functions = module.types.functions
    if not module.types.has_gc:
        used = sorted({entry.type_index for _, entry in imports})
        signatures = [functions[index] for index in used]
        if all(s is not None and all(len(t) == 1 for t in s.params + s.results) for s in signatures):
            content = write.vector([*(write.function_type(s) for s in signatures if s is not None), extra])
            return write.section(SectionId.TYPE, content), {old: new for new, old in enumerate(used)}, len(used)
    section = module.section(SectionId.TYPE)
    assert section is not None
    groups, size = leading_u32(module.payload(section))
    content = write.uleb(groups + 1) + bytes(module.payload(section)[size:]) + extra
    return write.section(SectionId.TYPE, content), {index: index for index in range(len(functions))}, len(functions)
