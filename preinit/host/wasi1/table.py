"""The guest's table of descriptors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .abi import Errno, WasiError
from .files import Descriptor, LateFolder
from .streams import Stream

#: Descriptors that a guest may have open.
MOST_DESCRIPTORS = 1024

_FIRST = 3


class Table:
    """What each number stands for: 0, 1, 2 are streams, what is added comes after them.

    `close` may come from another thread while a call is under way (time is over): whoever takes an entry out of the
    table closes it. `closing` is called with what the guest closes, before that is done.
    """

    def __init__(self, streams: Iterable[Stream], closing: Callable[[Descriptor], None]) -> None:
        self._closing = closing
        self._open: dict[int, Descriptor | Stream] = dict(enumerate(streams))
        self._closed = False

    def close(self) -> None:
        """Closes what is open on the host."""
        self._closed = True
        while self._open:
            _, entry = self._open.popitem()
            if isinstance(entry, Descriptor):
                entry.close()

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def any(self, number: int) -> Descriptor | Stream:
        entry = self._open.get(number)
        if entry is None:
            raise WasiError(Errno.BADF)
        return entry

    def directory(self, number: int, name: bytes = b"", opens: bool = False) -> Descriptor:
        """A directory in which `name` is looked at, or opened."""
        entry = self.any(number)
        if not isinstance(entry, Descriptor) or not entry.is_directory:
            raise WasiError(Errno.NOTDIR)
        if entry.late:
            entry.late.note(name, opens)
        return entry

    def late(self, number: int) -> LateFolder | None:
        """The folder with that number, where only instances have it."""
        entry = self._open.get(number)
        return entry.late if isinstance(entry, Descriptor) else None

    def note_used(self, number: int) -> None:
        """Somebody asks for something in a folder, also where it is refused without a look."""
        entry = self._open.get(number)
        if isinstance(entry, Descriptor):
            entry.was_used = True

    def note_itself(self, number: int) -> None:
        """Somebody looks at what has that number. Raises `WasiError` for a folder of which that is refused."""
        if (late := self.late(number)) is not None:
            late.note(b"", opens=False)

    def file(self, number: int) -> Descriptor:
        entry = self.any(number)
        if not isinstance(entry, Descriptor):
            raise WasiError(Errno.SPIPE)
        if entry.is_directory:
            raise WasiError(Errno.ISDIR)
        return entry

    def descriptors(self) -> list[tuple[int, Descriptor]]:
        """Files and directories that are open, by number."""
        return [(number, entry) for number, entry in sorted(self._open.items()) if isinstance(entry, Descriptor)]

    def entries(self) -> list[tuple[int, Descriptor | Stream]]:
        """All that is open, by number."""
        return sorted(self._open.items(), key=lambda one: one[0])

    def numbers(self) -> dict[int, int]:
        """The number of each entry that is open, by the entry's identity."""
        return {id(entry): number for number, entry in self._open.items()}

    def check_room(self) -> None:
        """Errno MFILE when no descriptor can be added."""
        if len(self._open) >= MOST_DESCRIPTORS:
            raise WasiError(Errno.MFILE)

    def add(self, entry: Descriptor) -> int:
        """Takes `entry` over, under the lowest free number after the streams'. Ask `check_room` before."""
        number = _FIRST
        while number in self._open:
            number += 1
        self._open[number] = entry
        if self._closed:
            self.remove(number)
        return number

    def remove(self, number: int) -> None:
        entry = self._open.pop(number, None)
        if entry is None:
            raise WasiError(Errno.BADF)
        if isinstance(entry, Descriptor):
            try:
                self._closing(entry)
            finally:
                entry.close()

    def renumber(self, number: int, to: int) -> None:
        """Moves an entry onto another, which is closed."""
        entry = self.any(number)
        self.any(to)
        if number == to:
            return
        self.remove(to)
        self._open[to] = entry
        del self._open[number]
