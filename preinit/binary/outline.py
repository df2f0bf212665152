"""A module without its functions' bodies, and what those bodies depend on: so that they need be validated once only.

https://webassembly.github.io/spec/core/valid/conventions.html#contexts : whether a body is valid depends on the types
of all that it can name, not on what memories and globals hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator

from . import encoder as write
from .bodies import BodyRanges, read_bodies
from .cursor import Cursor
from .module import Section, SectionId, read_sections
from .sections import read_globals, read_memories

#: A body that is valid whatever the function's type: no locals, `unreachable`, `end`.
_UNREACHABLE = b"\0\0\x0b"

#: Sections that a body depends on as a whole. With the tables' limits they say more than is needed.
_NAMED = (
    SectionId.TYPE,
    SectionId.IMPORT,
    SectionId.FUNCTION,
    SectionId.TABLE,
    SectionId.TAG,
    SectionId.EXPORT,
    SectionId.ELEMENT,
    SectionId.DATA_COUNT,
)


#: Functions whose bodies are told apart together: of a large module there are some dozens of such groups.
GROUP = 256


def outline(data: bytes, sections: Iterable[Section], groups: Collection[int] = ()) -> bytes:
    """The module without custom sections, each body replaced by one that traps, but for those of `groups`."""
    view = memoryview(data)
    pieces: list[list[bytes | memoryview]] = []
    for section in sections:
        if section.id == SectionId.CODE:
            at = Cursor(data, section.start, section.end, section.label)
            count = at.count(2)
            code = write.code_entry(_UNREACHABLE) * count
            if groups:
                bodies = read_bodies(Cursor(data, section.start, section.end, section.label))
                code = b"".join(_kept(view, bodies, groups))
            pieces.append(write.section(SectionId.CODE, write.uleb(count) + code))
        elif section.id != SectionId.CUSTOM:
            pieces.append([view[section.header : section.end]])
    return write.assemble(pieces)


def _kept(data: memoryview, bodies: BodyRanges, groups: Collection[int]) -> Iterator[bytes | memoryview]:
    """The code section's entries: as they are in `groups`, else those that trap."""
    for number, first in enumerate(range(0, len(bodies), GROUP)):
        last = min(first + GROUP, len(bodies)) - 1
        if number in groups:
            yield data[bodies[first].entry : bodies[last].end]
        else:
            yield write.code_entry(_UNREACHABLE) * (last + 1 - first)


def body_groups(data: bytes, bodies: BodyRanges) -> list[bytes]:
    """A digest of the bodies in each group, and of which functions they are."""
    view, found = memoryview(data), []
    for first in range(0, len(bodies), GROUP):
        last = min(first + GROUP, len(bodies)) - 1
        digest = hashlib.sha256(b"%d:" % first)
        digest.update(view[bodies[first].entry : bodies[last].end])
        found.append(digest.digest())
    return found


def context(data: bytes, sections: Iterable[Section]) -> bytes:
    """A digest of all that the validity of a module's bodies depends on. Raises what reading its sections raises.

    Of a global, that is its type and the functions that it declares; of a memory, its address type and page size.
    """
    digest = hashlib.sha256()
    for section in sections:
        at = Cursor(data, section.start, section.end, section.label)
        if section.id in _NAMED:
            said: object = hashlib.sha256(memoryview(data)[section.start : section.end]).digest()
        elif section.id == SectionId.GLOBAL:
            said = [(g.type, g.mutable, g.initializer and g.initializer.functions) for g in read_globals(at)]
        elif section.id == SectionId.MEMORY:
            said = [(m.shared, m.is_64, m.page_size_log2) for m in read_memories(at)]
        else:
            continue
        digest.update(repr((int(section.id), said)).encode())
    return digest.digest()


def context_of_same_code(data: bytes, original: bytes, code: Section) -> tuple[bytes, tuple[Section, ...]] | None:
    """The `context` and the sections of a module, if its code section is that of `original`, byte for byte."""
    sections = read_sections(data)
    found = next((section for section in sections if section.id == SectionId.CODE), None)
    same = found and data.startswith(memoryview(original)[code.start : code.end], found.start)
    if not found or not same or found.end - found.start != code.end - code.start:
        return None
    return context(data, sections), sections
