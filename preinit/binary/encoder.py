"""Writing: integers, names, vectors, limits, sections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import leb128

from .types import FuncType, Limits

#: A part of a module in several pieces, of which the large ones are views and not copied.
Pieces = list[bytes | memoryview]

#: Magic and version of a core module.
PREAMBLE = b"\0asm\1\0\0\0"
#: The same of a component.
COMPONENT_PREAMBLE = b"\0asm\x0d\0\1\0"

#: The order in which sections stand in a module.
#: https://webassembly.github.io/spec/core/binary/modules.html#binary-module
SECTION_ORDER = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)

#: A 32-bit length can't say more.
LARGEST_SECTION = (1 << 32) - 1

#: Numbers of one byte, and the lowest seven bits of larger ones.
SMALL = tuple(bytes((number,)) for number in range(0x80))
CONTINUED = tuple(bytes((number | 0x80,)) for number in range(0x80))


def uleb(number: int) -> bytes:
    """`number` as unsigned LEB128, in as few bytes as it needs."""
    if number < 0x80:
        return SMALL[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    return bytes(leb128.u.encode(number))


def sleb(number: int) -> bytes:
    """`number` as signed LEB128, in as few bytes as it needs."""
    if 1 << 20 <= number < 1 << 27:  # offsets of data segments are many
        return (
            number & 0x7F | (number & 0x3F80) << 1 | (number & 0x1FC000) << 2 | (number & 0xFE00000) << 3 | 0x808080
        ).to_bytes(4, "little")
    if -(1 << 27) <= number < 1 << 27:
        if -(1 << 6) <= number < 1 << 6:
            return SMALL[number & 0x7F]
        if -(1 << 13) <= number < 1 << 13:
            return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F))
        if -(1 << 20) <= number < 1 << 20:
            return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F))
        low = (number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F | 0x80)
        return bytes((*low, number >> 21 & 0x7F))
    return bytes(leb128.i.encode(number))


def uleb_size(number: int) -> int:
    """How many bytes `uleb(number)` has."""
    return max(1, -(-number.bit_length() // 7))


def sleb_size(number: int) -> int:
    """How many bytes `sleb(number)` has: one bit more, for the sign."""
    return ((number if number >= 0 else ~number).bit_length() + 7) // 7


def name(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return uleb(len(encoded)) + encoded


def vector(items: Sequence[bytes]) -> bytes:
    return uleb(len(items)) + b"".join(items)


def section(number: int, payload: bytes | memoryview) -> Pieces:
    """A section's pieces: the header and the payload, which is not copied."""
    return [bytes((number,)) + uleb(len(payload)), payload]


def custom_section(title: str, content: bytes) -> Pieces:
    return section(0, name(title) + content)


def module_name(text: str) -> Pieces:
    """A name section with nothing but the module's own name."""
    encoded = name(text)
    return custom_section("name", b"\0" + uleb(len(encoded)) + encoded)


def limits(value: Limits) -> bytes:
    flags = (value.maximum is not None) | value.shared << 1 | value.is_64 << 2 | (value.page_size_log2 is not None) << 3
    return (
        bytes((flags,))
        + uleb(value.minimum)
        + (uleb(value.maximum) if value.maximum is not None else b"")
        + (uleb(value.page_size_log2) if value.page_size_log2 is not None else b"")
    )


def function_type(value: FuncType) -> bytes:
    return b"\x60" + vector(value.params) + vector(value.results)


def export(title: str, kind: int, index: int) -> bytes:
    return name(title) + bytes((kind,)) + uleb(index)


def code_entry(body: bytes) -> bytes:
    """A function body (locals and expression) with its size."""
    return uleb(len(body)) + body


def assemble(sections: Iterable[Pieces]) -> bytes:
    """A module from its sections' pieces: one copy in all."""
    return b"".join([PREAMBLE, *chain.from_iterable(sections)])
