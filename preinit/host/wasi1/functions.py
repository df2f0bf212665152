"""The functions of WASI preview 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ...engine.values import RawFrame
from ...errors import quoted
from ...options import Host
from ..filesread import FilesRead, shown_path
from .descriptors import DescriptorFunctions
from .files import Descriptor, LateFolder
from .memory import GuestMemory
from .paths import PathFunctions
from .process import Clock, Fetches, ProcessFunctions
from .refused import refusing
from .streams import Stream
from .table import Table


class Functions:
    """One guest's view of WASI. Close it when the guest has ended.

    Parameters
    ----------
    host: environment, arguments, standard input, clock, random numbers, whether folders may be written.
    memory: the guest's.
    output, error: where the guest's standard output and standard error go.
    check: raises when the guest's time is over.
    wait: is told how many nanoseconds the guest sleeps; without it, clocks that stand still jump, and nobody waits.
    noted: is told of a function that it reads or takes something which a snapshot may hold.
    here: where the guest is, during a call of that function.
    """

    def __init__(
        self,
        host: Host,
        memory: GuestMemory,
        output: Callable[[bytes], None],
        error: Callable[[bytes], None],
        check: Callable[[], None],
        wait: Callable[[int], None] | None = None,
        noted: Callable[[str], None] = lambda name: None,
        here: Callable[[str], Sequence[RawFrame]] = lambda name: (),
    ) -> None:
        self.stdin = Stream(data=host.stdin, late=host.late_stdin)
        self._preopened: list[Descriptor] = []
        self.files = FilesRead(meanwhile=not host.writable)
        streams = [self.stdin, Stream(sink=output), Stream(sink=error)]
        self._memory = memory
        self._table = Table(streams, self.files.note)
        self._given: list[Descriptor | Stream] = [*streams]
        self.late_folders: list[LateFolder] = []
        self._process = ProcessFunctions(host, memory, self._table, check, noted, wait)
        self._parts: list[object] = [
            self._process,
            DescriptorFunctions(memory, self._table, noted),
            PathFunctions(memory, self._table, here),
        ]
        if host.writable:
            from .changes import ChangeFunctions

            self._parts.append(ChangeFunctions(memory, self._table, self._process.wall_clock))

    def preopen(self, entries: Iterable[Descriptor]) -> None:
        """Takes folders over, in order."""
        for entry in entries:
            if entry.late:
                self.late_folders.append(entry.late)
            self._table.add(entry)
            self._preopened.append(entry)
            self._given.append(entry)

    @property
    def used_folders(self) -> list[Descriptor]:
        """The folders that were given in which the guest looked for something."""
        return [entry for entry in self._preopened if entry.was_used]

    def set_clock(self, clock: Clock) -> None:
        """Before the guest runs."""
        self._process.set_clock(clock)

    def close(self) -> None:
        """Closes what is open on the host."""
        self._table.close()

    def make_room(self, rooms: tuple[int, int], honest: tuple[frozenset[int], frozenset[int]]) -> None:
        """Before the guest runs: see `World.make_room`."""
        for fetches, room, calls in zip((self.environment, self.arguments), rooms, honest, strict=True):
            fetches.room, fetches.honest = room, calls

    @property
    def random_bytes(self) -> int:
        """How many random bytes the guest took."""
        return self._process.random.taken

    @property
    def clock_reads(self) -> list[int]:
        """How often the guest read each clock."""
        return self._process.clock_reads

    @property
    def environment(self) -> Fetches:
        """Where the guest had its environment put."""
        return self._process.environment

    @property
    def arguments(self) -> Fetches:
        """Where the guest had its arguments put."""
        return self._process.arguments

    def open_descriptors(self) -> list[tuple[int, Descriptor]]:
        """Files and directories that are open now, by number."""
        return self._table.descriptors()

    def unrepeatable(self) -> Iterator[str]:
        """What was done to descriptors that an output can't do again: where the guest is within a listing, which hosts
        number as they like, and flags of what it was given."""
        for number, entry in self._table.entries():
            if isinstance(entry, Descriptor) and entry.half_listed:
                folder = quoted(shown_path(entry.guest_path))
                yield f"is in the middle of listing the folder {folder} (descriptor {number})"
            elif entry.flags and (isinstance(entry, Stream) or entry.opening is None):
                yield f"has changed the flags of descriptor {number}, which it was given"

    def moved(self) -> dict[int, int]:
        """The numbers of streams and folders, as the guest was given them -> those that it gave them itself since."""
        found = self._table.numbers()
        return {n: found[id(entry)] for n, entry in enumerate(self._given) if found.get(id(entry), n) != n}

    def is_open(self, number: int) -> bool:
        """Whether the guest has that descriptor."""
        return number in self._table

    def open_directories(self) -> Iterator[tuple[int, bytes]]:
        """The guest's path of each directory that is open now, by number."""
        return ((number, entry.guest_path) for number, entry in self._table.descriptors() if entry.is_directory)

    def __getitem__(self, name: str) -> Callable[..., None]:
        """The function with that name in WASI; it takes unsigned integers, returns nothing or raises `WasiError`."""
        for part in self._parts:
            function: Callable[..., None] | None = getattr(part, name, None)
            if function:
                return function
        return refusing(name, self._memory, self._table)
