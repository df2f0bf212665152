"""The name section, https://webassembly.github.io/spec/core/appendix/custom.html#name-section .

It is a convenience for people: a malformed one gives no names, never an error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property

from ..errors import InputError
from ..tuples import NamedTuple
from .cursor import Cursor

FUNCTION_NAMES, GLOBAL_NAMES, DATA_SEGMENT_NAMES = 1, 7, 9


class Subsection(NamedTuple):
    """`header:end` is the subsection in the file, `start:end` its content."""

    id: int
    header: int
    start: int
    end: int


class NameSection:
    """Names in `data[start:end]`, read when they are asked for: they can be larger than the code."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._start = start
        self._end = end

    def subsections(self) -> Iterator[Subsection]:
        """The subsections in order. Raises `InputError` where they are malformed."""
        at = Cursor(self._data, self._start, self._end, "name section")
        while at.remaining:
            header = at.position
            number = at.byte()
            size = at.u32()
            start = at.skip(size)
            yield Subsection(number, header, start, start + size)

    def _map(self, number: int) -> dict[int, str]:
        result: dict[int, str] = {}
        try:
            for part in self.subsections():
                if part.id == number:
                    at = Cursor(self._data, part.start, part.end, "name map")
                    for _ in range(at.count(2)):
                        index = at.u32()
                        result[index] = at.name()
        except InputError:
            return result
        return result

    def functions_among(self, wanted: Collection[int]) -> dict[int, str]:
        """The names of some functions. Of a large section, reading all names takes three times as long."""
        if "functions" in self.__dict__:
            return {index: self.functions[index] for index in wanted if index in self.functions}
        found: dict[int, str] = {}
        try:
            for part in self.subsections():
                if part.id == FUNCTION_NAMES:
                    at = Cursor(self._data, part.start, part.end, "name map")
                    count = at.count(2)
                    among = _stride(self._data, at.position, part.end, count, wanted)
                    if among is None:
                        among = _skim(self._data, at.position, part.end, count, set(wanted))
                    found |= among
        except InputError:
            return found
        return found

    @cached_property
    def functions(self) -> dict[int, str]:
        return self._map(FUNCTION_NAMES)

    @cached_property
    def globals(self) -> dict[int, str]:
        return self._map(GLOBAL_NAMES)

    @cached_property
    def data_segments(self) -> dict[int, str]:
        return self._map(DATA_SEGMENT_NAMES)


def _stride(data: bytes, at: int, end: int, count: int, wanted: Collection[int]) -> dict[int, str] | None:
    """The names of `wanted` in a map that names every function, in order, as linkers write it; None if this one is not.

    Four times as fast as reading each index: how many bytes that has is known.
    """
    found: dict[int, str] = {}
    current = 0
    try:
        for index in sorted(wanted):
            if index >= count:
                return None
            while current < index:
                width = 1 if current < 1 << 7 else 2 if current < 1 << 14 else 3 if current < 1 << 21 else 5
                for _ in range(min(index, 1 << (7 * width)) - current):
                    at += width
                    size = data[at]
                    at += 1 + size
                    if size > 0x7F:
                        high = data[at - size]
                        at += 1 - 0x80 + (high << 7)
                        if high > 0x7F:
                            return None
                current = min(index, 1 << (7 * width))
            number, place = _long(data, at)
            size, start = _long(data, place)
            if number != index or start + size > end:
                return None
            found[index] = str(data[start : start + size], "utf-8")
    except (IndexError, UnicodeDecodeError, InputError):
        return None
    return found


def _skim(data: bytes, at: int, end: int, count: int, wanted: set[int]) -> dict[int, str]:
    """The names of `wanted` in a map, as far as that is well-formed: faster than a cursor reads them all."""
    found: dict[int, str] = {}
    try:
        for _ in range(count):
            index = data[at]
            at += 1
            if index > 0x7F:
                byte = data[at]
                at += 1
                index = index & 0x7F | (byte & 0x7F) << 7
                shift = 14
                while byte > 0x7F:
                    byte = data[at]
                    at += 1
                    index |= (byte & 0x7F) << shift
                    shift += 7
                    if shift > 35:
                        return found
            size = data[at]
            at += 1
            if size > 0x7F:
                at -= 1
                size, at = _long(data, at)
            if size > end - at:
                return found
            if index in wanted:
                with suppress(UnicodeDecodeError):  # that one has no name, others may
                    found[index] = str(data[at : at + size], "utf-8")
                if len(found) == len(wanted):
                    return found
            at += size
    except IndexError:
        pass
    return found


def _long(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 integer at `at`, and where it ends."""
    cursor = Cursor(data, at, len(data), "name map")
    return cursor.u32(), cursor.position
