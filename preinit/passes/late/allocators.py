"""Whether something in a module takes whatever lies behind its heap for its own: there the environment is to be put.

What can be put there is safe beside an allocator that uses the address at which memory grew, as libc's does. It is not
beside one that only asks whether memory grew, or how large it is, and takes it that all of the new pages are its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from ...binary.cursor import Cursor
from ...binary.growth import Growth, growing_functions
from ...binary.instructions import Instruction, decoder
from ...binary.module import Module, SectionId
from ...binary.opcodes import CALL, MEMORY_GROW, MEMORY_SIZE, Kind
from ...errors import LateBinding, printable
from .sizes import compared_size

_BLOCKS, _ELSE, _END = (0x02, 0x03, 0x04, 0x06, 0x1F), 0x05, 0x0B
_LOOP = 0x03
_LOCAL_GET, _LOCAL_SET, _LOCAL_TEE = 0x20, 0x21, 0x22

_ZERO, _MINUS_ONE = rb"\x41\x80{0,4}\x00", rb"\x41\xff{0,4}\x7f"
_INDEX = rb"[\x80-\xff]{0,4}[\x00-\x7f]"

#: What says nothing of a number but whether it is -1: `drop`, or a comparison with -1, or as a signed one with 0.
_COMPARED = re.compile(rb"\x1a|" + _MINUS_ONE + rb"[\x46-\x4f]|" + _ZERO + rb"[\x48\x4a\x4c\x4e]", re.DOTALL)
#: The same with -1 before it: `i32.eq` or `i32.ne`.
_EQUAL = b"\x46\x47"
#: -1, and what a growth is given, if that is one instruction: `i32.const`, `local.get`, `global.get`.
_GIVEN = re.compile(_MINUS_ONE + rb"(?:[\x20\x23]" + _INDEX + rb"|\x41" + _INDEX + rb")\Z", re.DOTALL)
_AFTER_MINUS_ONE = re.compile(_MINUS_ONE + rb"\Z", re.DOTALL)
_LONGEST_GIVEN = 12
#: A size in bytes or pages, an address or none, and a comparison of order.
_COMPARED_SIZE = rb"(?:\x41\x10\x74|\x41\x80\x80\x04\x6c)?(?:[\x20\x23]" + _INDEX + rb")?[\x48-\x4f]"
_SIZE = re.compile(rb"\x3f" + _INDEX, re.DOTALL)
_SIZE_COMPARED = re.compile(_SIZE.pattern + _COMPARED_SIZE, re.DOTALL)

#: What is left of a function that returns what it has: `end`, and `return` before it.
_RETURNED = (b"\x0b", b"\x0f\x0b")

_CALLS = decoder(frozenset((Kind.FUNCTION,)))
_SIZES = decoder(frozenset(), frozenset((MEMORY_SIZE,)))
_LOCALS = decoder(frozenset(), frozenset((*_BLOCKS, _ELSE, _END, _LOCAL_GET, _LOCAL_SET, _LOCAL_TEE)))

_HINT = (
    "Link it with another allocator, or leave out what grows memory in this way. Or leave `--late` out and read the "
    "environment in an entry point: docs/world.md says how, for each language."
)


class _Place(NamedTuple):
    """An instruction, and the function that has it, among those that the module defines."""

    offset: int
    defined: int


def check_allocators(module: Module, index: int) -> None:
    """Raises `LateBinding` where something may overwrite what lies behind all that memory `index` holds."""
    growing, _ = growing_functions(module)
    growing = {
        defined: kept
        for defined, growths in growing.items()
        if (kept := [one for one in growths if one.opcode == MEMORY_GROW and one.target == index])
    }
    for defined, growths in growing.items():
        for growth in growths:
            if place := _blind(module, defined, growth):
                raise _refused(
                    module,
                    "grows the memory and looks only whether that went well, not where the new pages lie",
                    "the result of `memory.grow` is only compared",
                    place,
                )
    if place := _size_asked(module, index, _SIZE_COMPARED) or _size_kept(module, index, growing):
        raise _refused(
            module,
            "compares an address with the size of the memory, so it may take all of it for its own",
            "`memory.size`",
            place,
        )
    if not growing and (place := _size_asked(module, index, _SIZE)):
        raise _refused(
            module,
            "asks for the size of the memory, which nothing grows, so it may take all of it for its own",
            "`memory.size`",
            place,
        )


def _refused(module: Module, what: str, how: str, place: _Place) -> LateBinding:
    index = module.imported_functions + place.defined
    name = module.function_names({index}).get(index)
    return LateBinding(
        f"a function of the module {what}: the instance's environment, which lies behind what the memory holds, could "
        "be overwritten",
        where=f"byte offset {place.offset:#x}, in {f'`{printable(name)}`' if name else f'function {index}'}: {how}",
        hint=_HINT,
    )


def _size_asked(module: Module, index: int, pattern: re.Pattern[bytes]) -> _Place | None:
    """The first place where the size of a memory is asked for, with what follows as the pattern has it."""
    return next(_sizes_asked(module, index, pattern), None)


def _sizes_asked(module: Module, index: int, pattern: re.Pattern[bytes]) -> Iterator[_Place]:
    """All of these."""
    section, bodies = module.section(SectionId.CODE), module.bodies
    if section is None:
        return
    hits = [match.start() for match in pattern.finditer(module.data, section.start, section.end)]
    for defined in dict.fromkeys(bisect_right(bodies.starts, hit) - 1 for hit in hits):
        if defined < 0:
            continue
        body = bodies[defined]
        for found in _SIZES.search(module.data, body.start, body.end).found:
            if found.references[0].target == index and pattern.match(module.data, found.start, body.end):
                yield _Place(found.start, defined)


def _size_kept(module: Module, index: int, growing: Collection[int]) -> _Place | None:
    """The first place where an address is compared with a size that was kept before, or that another function gave."""
    asking = {place.defined for place in _sizes_asked(module, index, _SIZE)}
    found = compared_size(module, index, asking, growing) if asking else None
    return _Place(*found) if found else None


def _blind(module: Module, defined: int, growth: Growth) -> _Place | None:
    """Where nothing looks at the number that a growth gives, other than whether it is -1: there, or where a function is
    called that does nothing with it but return it."""
    if _is_blind(module, defined, growth.start, growth.end):
        return _Place(growth.start, defined)
    if module.data[growth.end : module.bodies[defined].end] not in _RETURNED:
        return None
    index = module.imported_functions + defined
    for caller, body in enumerate(module.bodies):
        for found in _CALLS.search(module.data, body.start, body.end).found:
            calls = found.opcode == CALL and found.references[0].target == index
            if calls and _is_blind(module, caller, found.start, found.end):
                return _Place(found.start, caller)
    return None


def _is_blind(module: Module, defined: int, start: int, end: int) -> bool:
    """Whether nothing looks at the number that an instruction gives, other than whether it is -1."""
    data, body = module.data, module.bodies[defined]
    if _COMPARED.match(data, end, body.end):
        return True
    before = data[max(body.start, start - _LONGEST_GIVEN) : start]
    if data[end] in _EQUAL and _GIVEN.search(before):
        return True
    if data[end] not in (_LOCAL_SET, _LOCAL_TEE):
        return False
    search = _LOCALS.search(data, body.start, body.end)
    if search.unknown is not None:
        return False
    kept = next(one for one in search.found if one.start == end)
    if kept.opcode == _LOCAL_TEE and not _COMPARED.match(data, kept.end, body.end):
        return False
    return all(
        _COMPARED.match(data, use.end, body.end)
        or (data[use.end] in _EQUAL and _AFTER_MINUS_ONE.search(data[use.start - _LONGEST_GIVEN : use.start]))
        for use in _uses(module, search.found, kept)
    )


class _Open:
    """A block that is open. `other`: on each way to here, the local got another value; `began`: to its beginning."""

    def __init__(self, other: bool, began: bool) -> None:
        self.other, self.began = other, began


def _uses(module: Module, found: Sequence[Instruction], kept: Instruction) -> list[Instruction]:
    """Where a local is read that `kept` sets, and may still have what it got there: in the rest of the function and, if
    that is in a loop, in all of the loop. Not where it gets another value before, on each way."""
    at, enclosing = found.index(kept), []
    for place, one in enumerate(found[:at]):
        if one.opcode in _BLOCKS:
            enclosing.append(place)
        elif one.opcode == _END:
            enclosing.pop()
    loops = [place for place in enclosing if found[place].opcode == _LOOP]
    local = _local(module, kept)
    uses: list[Instruction] = []
    blocks = [_Open(False, began=True)]  # no way leads to the other branch of an `if` around it
    for place in range(loops[0] + 1 if loops else at, len(found)):
        one, block = found[place], blocks[-1]
        if one.opcode in _BLOCKS:
            other = block.other and place not in loops
            blocks.append(_Open(other, other))
        elif one.opcode == _ELSE:
            block.other = block.began
        elif one.opcode == _END:
            blocks.pop()
            blocks = blocks or [_Open(False, began=True)]
        elif place == at:
            for block in blocks:
                block.other = False
        elif _local(module, one) == local:
            if one.opcode == _LOCAL_GET:
                uses += [] if block.other else [one]
            else:
                block.other = True
    return uses


def _local(module: Module, one: Instruction) -> int:
    return Cursor(module.data, one.start + 1, one.end, "local").u32()
