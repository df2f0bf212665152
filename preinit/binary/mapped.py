"""A binary that is mapped from a file: its pages can leave memory, and come back when they are read."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from weakref import ref

#: Bytes after which whoever reads all of them gives back what it has read.
_SOME = 4 << 20

#: Bytes that are compared at once, of which there is a copy: so few that it stays in the processor's cache.
_COMPARED = 1 << 16

#: Seconds after which they are given back while something reads all of them that can't do that itself.
_PERIOD = 0.03


class Buffer(mmap.mmap):
    """Stands for bytes that never change: it has all that reading a module does with those."""

    __hash__ = mmap.mmap.__hash__  # one is no other, though they may hold the same

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, bytes | Buffer):
            return NotImplemented
        return len(self) == len(other) and self.startswith(memoryview(other))

    def __contains__(self, part: object) -> bool:
        return self.find(cast(bytes, part)) >= 0

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (self[:],)

    def startswith(self, prefix: bytes | memoryview, start: int = 0) -> bool:
        """As that of bytes; of what else is mapped, pages are given back."""
        there, view = memoryview(self)[start:], memoryview(prefix)
        if len(there) < len(view):
            return False
        if view and view.obj is self and _address(view) == _address(there):
            return True
        for at in range(0, len(view), _COMPARED):
            end = min(at + _COMPARED, len(view))
            if there[at:end].tobytes() != view[at:end].tobytes():  # views would be compared item by item
                return False
            if not end % _SOME:
                give_back(there)
                give_back(view)
        return True


class Mapped(Buffer):
    """Such a binary. Nobody else may have the file."""

    #: The descriptor of the file, where it is open, and where in it this begins.
    number: int | None = None
    begins = 0
    #: What keeps that open, if that is another one; and parts that are mapped on their own, by start and end.
    owner: Mapped | None = None
    parts: dict[tuple[int, int], ref[Mapped]]

    def place_of(self, view: memoryview) -> int:
        """Where in the file a view of a part of it begins."""
        return self.begins + (_address(view) - _address(memoryview(self)) if view else 0)


def _address(view: memoryview) -> int:
    """Where in memory something that is mapped begins."""
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def give_back(data: bytes | memoryview) -> None:
    """Takes the pages of what is mapped out of memory; of anything else, does nothing."""
    held = data.obj if isinstance(data, memoryview) else data
    if isinstance(held, Mapped):
        held.madvise(mmap.MADV_DONTNEED)


def in_turn(data: bytes | memoryview) -> Iterator[memoryview]:
    """All of the bytes; of what is mapped, some at a time, which are given back when the next are asked for."""
    view = memoryview(data)
    step = _SOME if isinstance(view.obj, Mapped) else max(len(view), 1)
    for at in range(0, len(view), step):
        yield view[at : at + step]
        give_back(view)


@contextmanager
def giving_back(data: bytes | memoryview, threads: bool = True) -> Iterator[None]:
    """Gives back what is mapped again and again, while something reads all of it that can't do that itself.

    `threads`: whether there may be one more; without, all of it is in memory for that long.
    """
    if not (threads and isinstance(data, Mapped)):
        yield
        return
    done = threading.Event()

    def work() -> None:
        while not done.wait(_PERIOD):
            give_back(data)

    thread = threading.Thread(target=work, daemon=True)
    with suppress(RuntimeError):  # too many threads
        thread.start()
    try:
        yield
    finally:
        done.set()
        give_back(data)
