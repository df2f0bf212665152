"""Standard input, output and error of the guest."""

from __future__ import annotations

from collections.abc import Callable

from ...records import Record, record


@record
class Stream(Record):
    """An input with `data`, or what `late` gives when it is first read; or an output with a `sink`.

    `reads`: how often it was read. `earlier`: another input and a number: it is read so many times first. `flags`:
    those that the guest has given it.
    """

    data: bytes = b""
    sink: Callable[[bytes], None] | None = None
    position: int = 0
    was_read: bool = False
    late: Callable[[], bytes] | None = None
    reads: int = 0
    earlier: tuple[Stream, int] | None = None
    flags: int = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        if self.earlier is not None and self.reads <= self.earlier[1]:
            return self.earlier[0].read(size)
        self.was_read |= size > 0
        if self.late is not None:
            self.data, self.late = self.late(), None
        part = self.data[self.position : self.position + size]
        self.position += len(part)
        return part
