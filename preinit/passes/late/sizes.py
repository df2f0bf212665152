"""Whether something compares what it knows of the size of memory with an address, wherever it kept that size before.

Each function that asks for the size, or calls one that returns it, is followed. A size that was compared with the
result of `memory.grow` is none of these: who does that most likely looks where the new pages lie.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ...binary.encoder import uleb
from ...binary.instructions import decoder
from ...binary.module import Module, SectionId
from ...binary.opcodes import CALL, Kind
from .follow import GROWN, SIZE, Followed, follow

#: Functions that give each other the size, one through the other.
_MOST_HELPERS = 8
#: Bytes of a function that does little but call the one that has the memory grow.
_LONGEST_WRAPPER = 512
#: Functions whose calls are looked for by one pattern.
_FEW = 32
_CALLS = decoder(frozenset((Kind.FUNCTION,)))


class Compared(NamedTuple):
    """Where a size meets an address, in the file, and in which of the functions that the module defines."""

    offset: int
    defined: int


def compared_size(module: Module, memory: int, asking: Collection[int], growing: Collection[int]) -> Compared | None:
    """The first place where an address is compared with the size of a memory, however that came there.

    `asking`: the defined functions that ask for the size, `growing`: those that grow that memory.
    """
    first = module.imported_functions
    returned: dict[int, int] = {}
    followed: dict[int, Followed] = {}
    wanted, helpers = {*asking, *growing}, set[int]()
    for _ in range(_MOST_HELPERS):
        for defined in (*sorted(wanted), *sorted(wanted)):  # twice: one may call another
            followed[defined] = follow(module, defined, memory, returned)
            returned[first + defined] = followed[defined].returned
        new = {defined for defined in wanted - helpers if returned[first + defined] & (SIZE | GROWN) == SIZE}
        if not new:
            break
        helpers |= new
        wanted = _callers(module, new)
    found = {defined for defined, one in followed.items() if one.compared is not None}
    if found:  # what it is compared with may come from a function that has the memory grow
        for defined in _callers(module, growing) - followed.keys():
            if module.bodies.size(defined) <= _LONGEST_WRAPPER:
                returned[first + defined] = follow(module, defined, memory, returned).returned
    for defined in sorted(found):
        offset = follow(module, defined, memory, returned).compared
        if offset is not None:
            return Compared(offset, defined)
    return None


def _callers(module: Module, called: Iterable[int]) -> set[int]:
    """The functions that call one of those that the module defines."""
    section, bodies = module.section(SectionId.CODE), module.bodies
    indices = {module.imported_functions + defined for defined in called}
    if section is None or not indices:
        return set()
    maybe: Iterable[int] = range(len(bodies))
    if len(indices) <= _FEW:
        calls = b"|".join(re.escape(uleb(index)) + b"|" + re.escape(_padded(index)) for index in sorted(indices))
        hits = re.finditer(b"\x10(?:" + calls + b")", module.data[section.start : section.end], re.DOTALL)
        maybe = {bisect_right(bodies.starts, section.start + hit.start()) - 1 for hit in hits}
    return {defined for defined in maybe if defined >= 0 and _calls(module, defined, indices)}


def _padded(index: int) -> bytes:
    """In five bytes, as linkers leave it."""
    return bytes(index >> 7 * place & 0x7F | (0x80 if place < 4 else 0) for place in range(5))


def _calls(module: Module, defined: int, indices: Collection[int]) -> bool:
    body = module.bodies[defined]
    found = _CALLS.search(module.data, body.start, body.end).found
    return any(one.opcode == CALL and one.references[0].target in indices for one in found)
