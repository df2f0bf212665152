"""Outlines with few functions: for a hundred thousand that trap, validation takes longer than for all else.

But for its body, nothing of a function counts outside of code except its type, and that it is there:
https://webassembly.github.io/spec/core/valid/modules.html . So a module with one function of each type in the place of
all is valid exactly if it is, as long as what names functions names none that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import encoder as write
from .module import Module, Section, SectionId
from .outline import UNREACHABLE, as_rope, entries_of, is_same, outline
from .rope import Rope
from .sections import EXPRESSIONS, ElementSegment, Export, ExternKind, without_elements

#: Sections that tell which functions there are.
_SAME = (SectionId.IMPORT, SectionId.FUNCTION)

#: Sections that name functions, besides the start section.
_NAMING = (SectionId.TABLE, SectionId.GLOBAL, SectionId.EXPORT, SectionId.ELEMENT)

#: Functions that a module has at most. Engines take no more than a million, and say so where they see all.
_MOST = 500_000


def outline_of_few(wasm: bytes | Rope, sections: Iterable[Section], module: Module) -> bytes | None:
    """An `outline`, without what segments hold, that is valid exactly if that of `wasm` is.

    `module`: one with the same code section. None where an outline is needed: where something names a function that is
    missing, which is not valid, where what functions are named by is not simple, where bytes are left over, or where
    `module` has other functions. Raises what reading the sections raises.
    """
    rope, sections = as_rope(wasm), tuple(sections)
    if not all(is_same(rope, section, module) for section in sections if section.id in _SAME):
        return None
    count, imported = len(module.function_types), module.imported_functions
    entries = entries_of(rope, sections, module)
    if any(section.id in _NAMING and section.id not in entries for section in sections):
        return None
    globals_, tables = entries.get(SectionId.GLOBAL, ()), entries.get(SectionId.TABLE, ())
    initializers = [entry.initializer for entry in (*globals_, *tables)]
    exports: Sequence[Export] = entries.get(SectionId.EXPORT, ())
    elements: Sequence[ElementSegment] = entries.get(SectionId.ELEMENT, ())
    if (
        count > _MOST
        or module.code_entries()[0] != count - imported
        or any(expression and expression.functions for expression in initializers)
        or any(entry.kind == ExternKind.FUNC and entry.target >= count for entry in exports)
        or any(segment.flags & EXPRESSIONS for segment in elements)
        or any(max(segment.functions, default=-1) >= count for segment in elements)
    ):
        return None
    types = dict.fromkeys(module.function_types[imported:])
    places = {kind: imported + number for number, kind in enumerate(types)}

    def place(function: int) -> int:
        return function if function < imported else places[module.function_types[function]]

    standing: dict[int, bytes] = {
        SectionId.FUNCTION: write.vector([write.uleb(kind) for kind in types]),
        SectionId.CODE: write.vector([write.code_entry(UNREACHABLE)] * len(types)),
        SectionId.EXPORT: write.vector(
            [
                write.export(name, kind, place(target) if kind == ExternKind.FUNC else target)
                for name, kind, target in exports
            ]
        ),
        SectionId.ELEMENT: write.vector(
            [without_elements(segment, segment.offset.raw if segment.offset else b"") for segment in elements]
        ),
    }
    start = next((section for section in sections if section.id == SectionId.START), None)
    if start is not None:
        at = rope.cursor(start.start, start.end, start.label)
        function = at.u32()
        if function >= count or at.remaining:
            return None
        standing[SectionId.START] = write.uleb(place(function))
    return outline(rope, sections, False, module, (), standing)
