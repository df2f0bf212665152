"""A bounds-checked reader. Every error names the absolute offset in the file."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from ..errors import EngineLimit, Malformed, Truncated, UnsupportedProposal

#: Most types, functions, imports and so on that engines take:
#: https://webassembly.github.io/spec/js-api/#limits (implementation-defined limits).
MOST_ITEMS = 1_000_000

#: Most elements of a segment.
MOST_ELEMENTS = 10_000_000


class Cursor:
    """Reads `buffer` from `position` up to `end`, absolute offsets in the file."""

    __slots__ = ("buffer", "end", "position", "what")

    def __init__(self, buffer: bytes, position: int, end: int, what: str) -> None:
        self.buffer = buffer
        self.position = position
        self.end = end
        self.what = what

    def fail(self, problem: str, at: int | None = None) -> Malformed:
        """The error to raise for `problem` at offset `at` (default: here)."""
        offset = self.position if at is None else at
        return Malformed(f"{self.what}: {problem}", where=f"byte offset {offset:#x}")

    def lacks(self, what: str, proposal: str, at: int) -> UnsupportedProposal:
        """The error to raise for something, at that offset, of a proposal that no engine has by now."""
        return UnsupportedProposal(
            f"{self.what}: {what}, of the proposal {proposal}, which the engine can't run",
            where=f"byte offset {at:#x}",
        )

    def exceeds(self, problem: str, at: int) -> EngineLimit:
        """The error to raise for more than engines take, at that offset."""
        return EngineLimit(f"{self.what}: {problem}", where=f"byte offset {at:#x}")

    def _short(self, at: int) -> Malformed | Truncated:
        if self.end == len(self.buffer):
            return Truncated(f"{self.what}: the file ends in the middle", where=f"byte offset {at:#x}")
        return self.fail("ends in the middle of an item", at)

    @property
    def remaining(self) -> int:
        return self.end - self.position

    def byte(self) -> int:
        position = self.position
        if position >= self.end:
            raise self._short(position)
        self.position = position + 1
        return self.buffer[position]

    def peek(self) -> int:
        """The next byte, which stays unread; -1 at the end."""
        return self.buffer[self.position] if self.position < self.end else -1

    def _unsigned(self, bits: int) -> int:
        start = position = self.position
        buffer, end = self.buffer, self.end
        result = shift = 0
        while True:
            if position >= end:
                raise self._short(start)
            byte = buffer[position]
            position += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.fail(f"an integer of more than {bits} bits", start)
        if result >> bits:
            raise self.fail(f"an integer of more than {bits} bits", start)
        self.position = position
        return result

    def u32(self) -> int:
        position = self.position
        if position < self.end:
            byte = self.buffer[position]
            if byte < 0x80:
                self.position = position + 1
                return byte
            if position + 1 < self.end and (second := self.buffer[position + 1]) < 0x80:
                self.position = position + 2
                return byte & 0x7F | second << 7
        return self._unsigned(32)

    def u64(self) -> int:
        return self._unsigned(64)

    def signed(self, bits: int) -> int:
        """A signed LEB128 integer of at most `bits` bits (32, 33 or 64)."""
        start = position = self.position
        result = shift = 0
        while True:
            if position >= self.end:
                raise self._short(start)
            byte = self.buffer[position]
            position += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.fail(f"an integer of more than {bits} bits", start)
        if byte & 0x40:
            result -= 1 << shift
        if not -(1 << bits - 1) <= result < 1 << bits - 1:
            raise self.fail(f"an integer of more than {bits} bits", start)
        self.position = position
        return result

    def count(self, smallest_item: int = 1, most: int = MOST_ITEMS) -> int:
        """The length of a vector whose items take at least `smallest_item` bytes each: bounded by what is left.

        No more than `most`: what engines refuse need not be read first.
        """
        start = self.position
        number = self.u32()
        if number * smallest_item > self.remaining:
            raise self.fail(f"claims {number} items, more than fit in the {self.remaining} bytes left", start)
        if number > most:
            raise self.exceeds(f"has {number:,} items, engines take {most:,}", start)
        return number

    def skip(self, size: int) -> int:
        """Moves past `size` bytes; returns the offset of the first."""
        start = self.position
        if size > self.end - start:
            raise self._short(start)
        self.position = start + size
        return start

    def take(self, size: int) -> bytes:
        start = self.skip(size)
        return self.buffer[start : start + size]

    def name(self) -> str:
        """A name: UTF-8 with its length in bytes before it."""
        start, buffer = self.position + 1, self.buffer
        size = buffer[start - 1] if start <= self.end else 0x80
        if size < 0x80 and size <= self.end - start:  # of thousands of imports and exports
            self.position = start + size
        else:
            size = self.u32()
            start = self.skip(size)
        try:
            return buffer[start : start + size].decode()
        except UnicodeDecodeError as problem:
            raise self.fail("a name that is not UTF-8", start + problem.start) from None

    def named(self) -> tuple[str, int, int]:
        """A name, a byte and an unsigned 32-bit integer: an export, of which there are thousands."""
        start, buffer, end = self.position + 1, self.buffer, self.end
        size = buffer[start - 1] if start < end else 0x80
        after = start + size
        if size >= 0x80 or after + 2 >= end:
            return self.name(), self.byte(), self.u32()
        low, high = buffer[after + 1], buffer[after + 2]
        if low >= 0x80 <= high:
            return self.name(), self.byte(), self.u32()
        try:
            name = buffer[start:after].decode()
        except UnicodeDecodeError:
            return self.name(), self.byte(), self.u32()
        if low < 0x80:
            self.position = after + 2
            return name, buffer[after], low
        self.position = after + 3
        return name, buffer[after], low & 0x7F | high << 7

    def u32s(self, number: int) -> list[int]:
        """`number` unsigned 32-bit integers: those that are equally long and stand side by side at once."""
        values: list[int] = []
        while (left := number - len(values)) > 0:
            start = self.position
            run = _EQUALLY_LONG.match(self.buffer, start, min(self.end, start + 5 * left))
            if run is None:
                values.append(self._unsigned(32))  # or says what is wrong with it
                continue
            width = run.lastindex or 1
            self.position = min(run.end(), start + width * left)
            values += _decoded(self.buffer[start : self.position], width)
        return values


#: A byte of an integer -> the seven bits that count.
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))


#: Integers of one length, which is the number of the group; of 5 bytes those that have at most 32 bits.
_EQUALLY_LONG = re.compile(
    rb"([\x00-\x7f]++)|((?:[\x80-\xff][\x00-\x7f])++)|((?:[\x80-\xff]{2}[\x00-\x7f])++)"
    rb"|((?:[\x80-\xff]{3}[\x00-\x7f])++)|((?:[\x80-\xff]{4}[\x00-\x0f])++)"
)


def _decoded(encoded: bytes, width: int) -> Iterable[int]:
    """The values of integers of `width` bytes each.

    All at once: the first bytes of all of them lie in lanes of 32 bits of one large number, then come the second ones.
    """
    if width == 1:
        return encoded
    number = len(encoded) // width
    total = 0
    for place in range(width):
        lanes = bytearray(4 * number)
        lanes[::4] = encoded[place::width].translate(_SEVEN_BITS)
        total |= int.from_bytes(lanes, "little") << 7 * place
    return struct.unpack(f"<{number}I", total.to_bytes(4 * number, "little"))


def leading_u32(payload: memoryview) -> tuple[int, int]:
    """The number of items that a section which has been parsed starts with, and how many bytes that takes."""
    cursor = Cursor(bytes(payload[:5]), 0, min(5, len(payload)), "vector")
    return cursor.u32(), cursor.position
