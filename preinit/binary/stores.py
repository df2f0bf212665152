"""Constants that a start function stores first: bytes of a memory that are in no data segment.

https://webassembly.github.io/spec/core/exec/modules.html#instantiation : data segments are copied before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import EngineLimit, InputError
from ..tuples import NamedTuple
from . import assembler as code
from .cursor import Cursor
from .module import Module

#: Stores that are read of a start function: the outputs of a build have a few.
MOST_READ = 1024

#: Groups of locals that such a function may have.
_MOST_LOCALS = 64

_I32_CONST, _I64_CONST, _END = 0x41, 0x42, 0x0B
#: What is stored, in bytes, by opcode: those on i32, then those on i64.
_SIZES = {0x36: 4, 0x3A: 1, 0x3B: 2, 0x37: 8, 0x3C: 1, 0x3D: 2, 0x3E: 4}
#: In the alignment of an access, that a memory's index follows.
_OTHER_MEMORY = 1 << 6


class Store(NamedTuple):
    """Bytes that are put into a memory, from `address` on."""

    memory: int
    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def instructions(store: Store, is_64: bool) -> bytes:
    """What stores all of it, and no byte more. `is_64`: whether the memory has addresses of 64 bits."""
    ops, at, body = code.address_ops(is_64), 0, b""
    while at < len(store.data):
        size = 1 << min(3, (len(store.data) - at).bit_length() - 1)
        number = int.from_bytes(store.data[at : at + size], "little")
        value = code.i64_const(number) if size == 8 else code.i32_const(number)
        body += ops.const(store.address + at) + value + code.store_low(size, store.memory)
        at += size
    return body


def stores_at_start(module: Module) -> tuple[tuple[Store, ...], bool]:
    """What the module's start function stores before it does anything else, and whether it does nothing else.

    Bytes that follow each other are one store. Of a module that is not valid, what can be read.
    """
    number = -1 if module.start is None else module.start - module.imported_functions
    if not 0 <= number < len(module.bodies):
        return (), False
    body = module.bodies[number]
    at = Cursor(module.data, body.start, body.end, "function body")
    found: list[Store] = []
    try:
        _skip_locals(at)
        for store in _read(at):
            if found and (found[-1].memory, found[-1].end) == store[:2]:
                found[-1] = found[-1]._replace(data=found[-1].data + store.data)
            else:
                found.append(store)
        return tuple(found), at.peek() == _END and at.remaining == 1
    except (EngineLimit, InputError):
        return tuple(found), False


def _skip_locals(at: Cursor) -> None:
    """Only those of numbers: of other types, what follows is not read right, and stores are not found."""
    for _ in range(at.count(2, _MOST_LOCALS)):
        at.u32()
        at.byte()


def _read(at: Cursor) -> Iterator[Store]:
    """Each store of a constant at a constant address, up to what is something else, which stays unread."""
    for _ in range(MOST_READ):
        start = at.position
        place, value = _constant(at), _constant(at)
        size = _SIZES.get(at.peek())
        if place is None or value is None or size is None:
            at.position = start
            return
        at.byte()
        alignment = at.u32()
        memory = at.u32() if alignment & _OTHER_MEMORY else 0
        yield Store(memory, place + at.u64(), (value & (1 << 8 * size) - 1).to_bytes(size, "little"))


def _constant(at: Cursor) -> int | None:
    """An integer, as an unsigned number; None where something else stands there."""
    bits = {_I32_CONST: 32, _I64_CONST: 64}.get(at.peek())
    if bits is None:
        return None
    at.byte()
    return at.signed(bits) % (1 << bits)
