"""The code section as a list of ranges: https://webassembly.github.io/spec/core/binary/modules.html#code-section ."""

from __future__ import annotations

from typing import NamedTuple

from .cursor import Cursor
from .module import Module, SectionId


class Body(NamedTuple):
    """A function body, locals and expression, is `start:end` in the file; its entry, with the size, is `entry:end`."""

    entry: int
    start: int
    end: int


def bodies(module: Module) -> list[Body]:
    """The body of each defined function."""
    section = module.section(SectionId.CODE)
    if section is None:
        return []
    cursor = Cursor(module.data, section.start, section.end, section.label)
    read, skip = cursor.u32, cursor.skip
    result = []
    for _ in range(cursor.count(2)):
        entry = cursor.position
        size = read()
        start = skip(size)
        result.append(Body(entry, start, start + size))
    return result


def code_entries(module: Module) -> tuple[int, memoryview]:
    """The number of defined functions, and the code section's bytes after that number."""
    section = module.section(SectionId.CODE)
    if section is None:
        return 0, memoryview(b"")
    cursor = Cursor(module.data, section.start, section.end, section.label)
    number = cursor.count(2)
    return number, memoryview(module.data)[cursor.position : section.end]
