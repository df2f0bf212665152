"""Whether an output has things that the input lacks: code that names what doesn't exist would be valid in it."""

from __future__ import annotations

from ...binary.module import Module, SectionId, read_sections
from ...binary.rope import Rope

#: Sections with what code names and the rewriter appends to. Data segments count where code can name them at all.
_NAMED = (SectionId.TYPE, SectionId.FUNCTION, SectionId.ELEMENT, SectionId.DATA_COUNT)


def has_more(written: Rope, module: Module) -> bool:
    """Whether an index that names nothing in `module` may name something in `written`, which was made from it."""
    before, after = _counts(Rope([module.data])), _counts(written)
    return any(after.get(number, 0) > before.get(number, 0) for number in _NAMED)


def _counts(wasm: Rope) -> dict[int, int]:
    """How many entries each of those sections has. In all of them, their number comes first."""
    return {
        section.id: wasm.cursor(section.start, section.end, section.label).u32()
        for section in read_sections(wasm)
        if section.id in _NAMED
    }
