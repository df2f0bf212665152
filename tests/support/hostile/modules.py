"""Guests that mean harm, or are broken: what to build, with which options, and what must come of it.

The modules are generated: most are a few bytes repeated a million times. Binary ones are made by hand where the text
format would take seconds to read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from preinit.binary import encoder as write
from tests.support.by_hand import (
    CODE,
    DATA,
    ELEMENT,
    EMPTY,
    END,
    EXPORT,
    FUNCTION,
    GLOBAL,
    IMPORT,
    INIT,
    MEMORY,
    NOTHING,
    ONE_PAGE,
    TABLE,
    TYPE,
    functions,
    module,
    repeated,
)

#: What stands for a build that must succeed.
BUILT = ""

#: Bytes that the command may take, if a guest does not say otherwise.
MOST_MEMORY = 1 << 30


class Hostile(NamedTuple):
    """`make` gives the module, binary or text. `codes`: the errors of which one must come, or `BUILT`.

    `engines`: those it is built with. `memory`: bytes that the command may take at most. `says`: words in the message.
    """

    make: Callable[[], bytes | str]
    codes: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("auto",)
    memory: int = MOST_MEMORY
    says: str = ""


BOTH = ("whole", "ondemand")
EVERY = ("auto", *BOTH)


# -- larger than any compiler makes them ------------------------------------------------------------------------------


def calls_of(number: int) -> bytes:
    """An initializer that calls that many functions, each once."""
    body = b"\0" + b"".join(b"\x10" + write.uleb(index) for index in range(1, number + 1)) + END
    return functions(number + 1, body)


def calls_through_a_table(number: int) -> bytes:
    """The same, through a table: nothing says before which function is next."""
    # (local i32) loop: call_indirect(i); i += 1; br_if i < number
    index = b"\x20\0\x41\x01\x6a\x22\0\x41" + write.sleb(number) + b"\x49\x0d\0"
    body = b"\x01\x01\x7f\x03\x40\x20\0\x11\0\0" + index + END + END
    elements = b"\x01\0\x41\0\x0b" + write.vector([write.uleb(i) for i in range(1, number + 1)])
    table = b"\x01\x70\0" + write.uleb(number)
    return functions(number + 1, body, parts={TABLE: table, ELEMENT: elements})


def many_types(number: int) -> bytes:
    return module({TYPE: repeated(NOTHING, number)})


def many_imports(number: int) -> bytes:
    imports = repeated(b"\x01m\x01f\0\0", number)
    return module({IMPORT: imports, EXPORT: write.vector([write.export(INIT, 0, number)])})


def many_exports(number: int, body: bytes = EMPTY) -> bytes:
    entries = [write.export(f"e{index}", 0, 0) for index in range(number)]
    return module({EXPORT: write.vector([*entries, write.export(INIT, 0, 0)])}, body)


def many_data_segments(number: int) -> bytes:
    return module({MEMORY: ONE_PAGE, DATA: repeated(b"\0\x41\0\x0b\x01x", number)})


def many_element_segments(number: int, first: bytes = EMPTY) -> bytes:
    """Each names another function."""
    segments = [b"\0\x41\0\x0b\x01" + write.uleb(index) for index in range(number)]
    parts = {TABLE: b"\x01\x70\0\x01", ELEMENT: write.vector(segments)}
    return functions(number, first, parts=parts)


def many_globals(number: int) -> bytes:
    return module({GLOBAL: repeated(b"\x7f\x01\x41\0\x0b", number)})


def many_custom_sections(number: int) -> bytes:
    return module(after=b"\0\x01\0" * number)


def many_branches(number: int, results: int = 0) -> bytes:
    """One `br_table`; validation looks at every result of every branch."""
    table = b"\x41\0\x0e" + write.uleb(number) + b"\0" * (number + 1)
    if not results:
        return module(body=b"\0\x02\x40" + table + END + END)
    types = [NOTHING, b"\x60\0" + repeated(b"\x7f", results), b"\x60" + repeated(b"\x7f", results) + b"\0"]
    parts = {TYPE: write.vector(types)}
    values = b"\x41\0" * results
    return module(parts, b"\0\x02\x01" + values + table + END + b"\x1a" * results + END)


def long_body(instructions: bytes, number: int, before: bytes = b"", after: bytes = b"") -> bytes:
    return module({MEMORY: ONE_PAGE}, b"\0" + before + instructions * number + after + END)


def many_locals(number: int) -> bytes:
    return module(body=b"\x01" + write.uleb(number) + b"\x7e\x20\0\x1a" + END)


def many_parameters(number: int) -> bytes:
    """A function that takes numbers and calls itself with them, without end."""
    types = write.vector([NOTHING, b"\x60" + repeated(b"\x7e", number) + b"\0"])
    again = b"".join(b"\x20" + write.uleb(index) for index in range(number)) + b"\x10\x01"
    code = [write.code_entry(b"\0" + b"\x42\0" * number + b"\x10\x01" + END), write.code_entry(b"\0" + again + END)]
    return module({TYPE: types, FUNCTION: b"\x02\0\x01", CODE: write.vector(code)})


def deep_blocks(number: int) -> bytes:
    return module(body=b"\0" + b"\x02\x40" * number + END * number + END)


def prefixes(number: int) -> bytes:
    """Takes every name that an instrumented copy could want, in turn."""
    names = ["_" * index + "preinit:" for index in range(number)]
    return module({EXPORT: write.vector([write.export(name, 0, 0) for name in [*names, INIT]])})
