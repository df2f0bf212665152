"""The name section, https://webassembly.github.io/spec/core/appendix/custom.html#name-section .

It is a convenience for people: a malformed one gives no names, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from ..errors import InputError
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

    @cached_property
    def functions(self) -> dict[int, str]:
        return self._map(FUNCTION_NAMES)

    @cached_property
    def globals(self) -> dict[int, str]:
        return self._map(GLOBAL_NAMES)

    @cached_property
    def data_segments(self) -> dict[int, str]:
        return self._map(DATA_SEGMENT_NAMES)
