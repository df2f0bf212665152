"""Where function bodies are: https://webassembly.github.io/spec/core/binary/modules.html#code-section ."""

from __future__ import annotations

from typing import NamedTuple

from .cursor import Cursor


class Body(NamedTuple):
    """A function body, locals and expression, is `start:end` in the file; its entry, with the size, is `entry:end`."""

    entry: int
    start: int
    end: int


def read_bodies(cursor: Cursor) -> tuple[Body, ...]:
    """All entries of a code section. Raises `Malformed`."""
    result = []
    count = cursor.count(2)
    data, entry, end = cursor.buffer, cursor.position, cursor.end
    for _ in range(count):  # a hundred thousand in a large module: sizes of two bytes at most are read here
        start = entry + 1
        size = data[entry] if entry < end else 0x80
        if size >= 0x80:
            if start < end and data[start] < 0x80:
                size += (data[start] << 7) - 0x80
                start += 1
            else:
                cursor.position = entry
                size = cursor.u32()
                start = cursor.position
        following = start + size
        if following > end:
            cursor.position = start
            cursor.skip(size)
        result.append(Body(entry, start, following))
        entry = following
    cursor.position = entry
    if cursor.remaining:
        raise cursor.fail(f"{cursor.remaining} bytes are left over")
    return tuple(result)
