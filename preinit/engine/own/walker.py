"""Walking over a large code section: where its bodies are, and where they may refer to some functions.

It does what `binary.bodies` and `binary.outline` do, in half of the time, and outside of Python's lock. Both mostly
wait for memory, so the section is read once for both. Of what is mapped from a file, the system copies windows, and no
page of it comes into memory.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence

from ...binary.bodies import BodyRanges, CodeReferences
from ...binary.cursor import Cursor
from ...binary.mapped import Mapped
from ...binary.module import Module, SectionId
from ...errors import InputError
from .module import OwnInstance, OwnModule

#: Where things are in the module's memory, see walker.wat.
WINDOW = 1 << 20
_WANTED, _REFERENCES, _STARTS, _ENDS = 0x110000, 0x120000, 0x140000, 0x340000

#: Bytes of the next window that an entry's size, or an instruction, may need; and bytes that a vector may.
_BEHIND, _VECTOR = 16, 16

#: Functions that are looked for, and references in a window, at most.
_MOST_WANTED, _MOST_REFERENCES = 64, 1 << 14

_MODULE = OwnModule("walker")


def walk(module: Module, wanted: Sequence[int]) -> tuple[BodyRanges, CodeReferences] | None:
    """The bodies of a module's code section, and where `ref.func` of a function that is `wanted` may be in it.

    Of too many functions, or in too many places, none is looked for. None where it can't be had, or where the section
    is not well-formed.
    """
    section = module.section(SectionId.CODE)
    if section is None or section.end >= 1 << 32:
        return None
    if len(wanted) > _MOST_WANTED:
        wanted = ()
    at = Cursor(module.data, section.start, section.end, section.label)
    try:
        count = at.count(2)
    except InputError:
        return None
    own = _MODULE.instance(("begin", "walk", "search"))
    if own is None:
        return None
    try:
        return _walked(own, module.data, at.position, section.end, count, wanted)
    finally:
        own.close()


def _walked(
    own: OwnInstance, data: bytes, first: int, end: int, count: int, wanted: Sequence[int]
) -> tuple[BodyRanges, CodeReferences] | None:
    starts, ends, references = array("I"), array("I"), array("I")
    own.memory[_WANTED : _WANTED + 4 * len(wanted)] = memoryview(array("I", wanted)).cast("B")
    own.call("begin", first)
    looks_for = bool(wanted)
    for base in range(first, end, WINDOW):
        size = min(WINDOW + _BEHIND, end - base)
        if not _fill(own.memory[:size], data, base):
            return None
        own.memory[size : size + _VECTOR] = bytes(_VECTOR)
        found = own.call("walk", base, size, min(size, WINDOW))
        if found > count - len(starts):  # a failure is the largest of numbers
            return None
        looks = own.call("search", base, min(size, WINDOW), len(wanted)) if looks_for else 0
        looks_for = looks_for and looks < _MOST_REFERENCES
        for numbers, place, more in ((starts, _STARTS, found), (ends, _ENDS, found), (references, _REFERENCES, looks)):
            numbers.frombytes(own.memory[place : place + 4 * more])
    if len(starts) != count or (ends[-1] if count else first) != end:
        return None
    entries = array("I", (first,))
    entries.extend(ends[:-1])
    told = CodeReferences(frozenset(wanted), references) if looks_for else CodeReferences(frozenset(), ())
    return BodyRanges(entries[:count], starts, ends), told


def _fill(window: memoryview, data: bytes, start: int) -> bool:
    """Copies bytes of `data` from `start` on; False where that can't be done."""
    if not isinstance(data, Mapped) or data.number is None:
        window[:] = memoryview(data)[start : start + len(window)]
        return True
    try:
        return os.preadv(data.number, [window], data.begins + start) == len(window)
    except OSError:
        return False
