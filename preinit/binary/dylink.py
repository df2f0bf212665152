"""What a module's `dylink.0` section says about dynamic linking.

https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md
"""

from __future__ import annotations

from collections.abc import Iterable

from .cursor import Cursor
from .sections import Import

#: The section's names, today's and the one before it, which has no subsections.
TODAY, BEFORE = "dylink.0", "dylink"

_MEM_INFO = 1
#: What a loader gives a library, as imports: where its memory and its table start.
_BASES = ("__memory_base", "__table_base")


def is_library(title: str, content: Cursor, imports: Iterable[Import]) -> bool:
    """Whether a module with such a section is a library, whose memory and table belong to a loader.

    A main module has the section, too, where it can load libraries (Emscripten's MAIN_MODULE): its memory is its own,
    so that it asks for none and imports no base.

    `title`, `content`: the section's. Raises `Truncated`, `Malformed`.
    """
    asked = _memory_asked(content) if title == BEFORE else _subsections(content)
    return asked != 0 or any(entry.name in _BASES for entry in imports)


def _subsections(content: Cursor) -> int | None:
    """Bytes of memory that the section asks for; None if it doesn't say."""
    asked = None
    while content.remaining:
        number, size = content.byte(), content.u32()
        start = content.skip(size)
        if number == _MEM_INFO:
            asked = _memory_asked(Cursor(content.buffer, start, start + size, content.what))
    return asked


def _memory_asked(content: Cursor) -> int | None:
    return content.u32() if content.remaining else None
