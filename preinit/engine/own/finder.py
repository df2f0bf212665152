"""Finding calls, and other instructions with nothing but an index, in function bodies.

It does what `binary.instructions` does, in a fifth of the time: decoding is what a build of a large module spends most
of its time in Python with. Whatever is not common it leaves to that, and goes on behind it.
"""

from __future__ import annotations

import threading

from ...binary.instructions import Decoder, Instruction, Reference, Scan, SimpleInstructions, in_lists
from ...binary.opcodes import (
    ABSTRACT,
    BLOCK_TYPE,
    BRANCH_TABLE,
    GC_PREFIX,
    HEAP_TYPE,
    IMMEDIATES,
    INTEGER,
    MEMORY_ARGUMENT,
    NUMERIC,
    Kind,
)
from .module import OwnInstance, OwnModule

#: Bytes of the largest body that is read there: others are read in Python.
_LONGEST = 1 << 18

#: Where things are in the module's memory, see finder.wat.
_TYPES, _BODY, _OPCODES, _INDIRECT = 0x1800, 0x10000, 0x60000, 0x260000
_COLUMNS = 0x80000, 0x100000, 0x180000
#: A number of 20 bits.
_COUNT = (1 << 20) - 1

#: What is done with an instruction, by its immediates, where no index counts: as `find` has it.
_SIMPLE = 2
_SHAPES = {
    "": 1,
    INTEGER: 3,
    INTEGER * 2: 4,
    MEMORY_ARGUMENT: 5,
    MEMORY_ARGUMENT + "1": 6,
    BLOCK_TYPE: 7,
    HEAP_TYPE: 8,
    BRANCH_TABLE: 9,
    "1": 10,
    "4": 11,
    "8": 12,
    "G": 13,
}
_OF_TYPE = 14
_AS_INTEGER = str.maketrans(dict.fromkeys((kind.value for kind in Kind), INTEGER))

#: What a byte can be: bits of the module's table.
_IN_BLOCK, _IN_HEAP, _IN_LOCALS = 1, 2, 4
_EMPTY = 0x40

_MODULE = OwnModule("finder")

get_ready = _MODULE.get_ready


class Finder:
    """Finds what a decoder finds. For any thread."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._lock = threading.Lock()
        self._own: OwnInstance | None = None
        self._tried = False

    def scan(self, data: bytes, start: int, end: int) -> Scan:
        """See `Decoder.scan`."""
        if end - start > _LONGEST:
            return self._decoder.scan(data, start, end)
        with self._lock:
            own = self._instance()
            if own is None:
                return self._decoder.scan(data, start, end)
            size = end - start
            own.memory[_BODY : _BODY + size] = memoryview(data)[start:end]
            first = _find(own, 0, size, start)
            if first[2] == end > start:  # all of it
                return Scan(first[0], first[1], [], None)

            def fast(at: int) -> tuple[SimpleInstructions, list[Instruction], int]:
                return _find(own, at - start, size, start) if at > start else first

            return self._decoder.scan(data, start, end, fast)

    def close(self) -> None:
        """Frees its memory, which is megabytes: whoever keeps an error may keep this. What is still to be found, the
        decoder finds."""
        with self._lock:
            own, self._own, self._tried = self._own, None, True
            if own:
                own.close()

    def _instance(self) -> OwnInstance | None:
        if not self._tried:
            self._tried = True
            self._own = own = _MODULE.instance(("find",))
            if own:
                shapes = _shapes(self._decoder)
                own.memory[: len(shapes)] = shapes
                own.memory[_TYPES : _TYPES + 256] = _types(self._decoder)
        return self._own


def _find(own: OwnInstance, at: int, size: int, base: int) -> tuple[SimpleInstructions, list[Instruction], int]:
    """See `instructions.Fast`, of the body of so many bytes that begins at `base` in the file; `at` is counted from
    there."""
    said = own.call("find", at, size, base)
    count = said >> 20 & _COUNT
    indirect = _indirect(own, said >> 40) if said >> 40 else []
    if not count:
        return in_lists(), indirect, base + (said & _COUNT)
    columns = [_numbers(own, place, count) for place in _COLUMNS]
    simple = SimpleInstructions(bytearray(own.memory[_OPCODES : _OPCODES + count]), *columns)
    return simple, indirect, base + (said & _COUNT)


def _numbers(own: OwnInstance, place: int, count: int) -> list[int]:
    """So many numbers."""
    return own.memory[place : place + 4 * count].cast("I").tolist()


def _indirect(own: OwnInstance, count: int) -> list[Instruction]:
    """The indirect calls that were found: of their references, that to a type."""
    new = tuple.__new__  # a named tuple's own way takes twice as long
    numbers = iter(_numbers(own, _INDIRECT, 5 * count))
    return [
        new(Instruction, (opcode, start - 1, ends, (new(Reference, (Kind.TYPE.value, start, end, index)),)))
        for opcode, start, end, index, ends in zip(*[numbers] * 5, strict=True)
    ]


def _shapes(decoder: Decoder) -> bytes:
    """What is done with each opcode; 0: it is left to the decoder."""
    shapes = bytearray(256 + 4 * 1024)
    for opcode, immediates in IMMEDIATES.items():
        prefix, second = divmod(opcode, 1 << 16)
        place = opcode if not prefix else 256 + 1024 * (prefix - GC_PREFIX) + second
        if opcode in decoder.simple:
            shapes[place] = _SIMPLE
        elif immediates == Kind.TYPE + Kind.TABLE and Kind.TYPE in decoder.kinds and Kind.TABLE not in decoder.kinds:
            shapes[place] = 0 if opcode in decoder.opcodes else _OF_TYPE
        elif opcode not in decoder.opcodes and decoder.kinds.isdisjoint(immediates):
            shapes[place] = _SHAPES.get(immediates.translate(_AS_INTEGER), 0)
    return bytes(shapes)


def _types(decoder: Decoder) -> bytes:
    """What each byte can be, as one that is left out."""
    types = bytearray(256)
    for byte in set(ABSTRACT) - decoder.types:
        types[byte] = _IN_BLOCK | _IN_HEAP
    for byte in NUMERIC:
        types[byte] = _IN_BLOCK | _IN_LOCALS
    types[_EMPTY] = _IN_BLOCK
    return bytes(types)
