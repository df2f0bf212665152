"""Binary modules by hand, section by section: the text format would refuse some and take seconds to read others."""

from __future__ import annotations

from preinit.binary import encoder as write

INIT = "wizer-initialize"

TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, COUNT = range(1, 13)

NOTHING = b"\x60\0\0"  # () -> ()
END = b"\x0b"
EMPTY = b"\0" + END  # a body
ONE_PAGE = b"\x01\0\x01"  # a memory section


def repeated(item: bytes, number: int) -> bytes:
    """A vector of the same item."""
    return write.uleb(number) + item * number


def module(parts: dict[int, bytes] | None = None, body: bytes = EMPTY, after: bytes = b"") -> bytes:
    """A module whose function 0 is the initializer with that body; `parts` are payloads of sections, by number."""
    sections = {
        TYPE: write.vector([NOTHING]),
        FUNCTION: write.vector([b"\0"]),
        EXPORT: write.vector([write.export(INIT, 0, 0)]),
        CODE: write.vector([write.code_entry(body)]),
        **(parts or {}),
    }
    pieces = [section(number, sections[number]) for number in write.SECTION_ORDER if number in sections]
    return write.PREAMBLE + b"".join(pieces) + after


def section(number: int, payload: bytes) -> bytes:
    return bytes((number,)) + write.uleb(len(payload)) + payload


def custom(title: str, payload: bytes) -> bytes:
    return section(0, write.name(title) + payload)


def functions(number: int, first: bytes, other: bytes = EMPTY, parts: dict[int, bytes] | None = None) -> bytes:
    """A module with many functions of type 0: the first is the initializer, all others are the same."""
    code = write.uleb(number) + write.code_entry(first) + write.code_entry(other) * (number - 1)
    return module({FUNCTION: repeated(b"\0", number), CODE: code, **(parts or {})})
