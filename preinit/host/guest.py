"""What one of many copies sees of the world: WASI preview 1, its output kept, sleeping takes time.

The engine's own WASI would have to be given files for its output, on which it puts no limit, and takes about as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

from ..binary.module import Module
from ..engine.copies.pool import HostImport
from ..options import Host
from .imports import wasi_parameters
from .preopens import preopens
from .wasi1.abi import MODULE, NO_RESULT, Errno, WasiError
from .wasi1.functions import Functions
from .wasi1.memory import GuestMemory

#: Bytes of what a guest prints to standard error that are kept.
LONGEST_COMPLAINT = 16 << 10

#: The descriptor of standard output.
_STDOUT = 1

#: Seconds between two looks at the time while a guest sleeps.
_NAP = 0.1


class GuestEnded(Exception):
    """The guest ended by itself, with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class OutOfTime(Exception):
    """Its time is over."""


class TooMuchOutput(Exception):
    """It printed more than it may."""


class NoMemory(Exception):
    """It called WASI, and does not export its memory as `memory`."""


class Guest:
    """One copy's world. Close it.

    Parameters
    ----------
    host: environment, arguments, folders, standard input; clocks and random numbers are usually the system's.
    ends: when its time is over, on `time.monotonic`.
    max_output: bytes that it may print.
    complete: says of all that it printed whether nobody waits for more: it is ended then, and when it closes its
        standard output after it has printed something.

    Raises `UsageError` where a folder can't be opened.
    """

    def __init__(
        self, host: Host, ends: float, max_output: int, complete: Callable[[bytearray], bool] | None = None
    ) -> None:
        self._complete = complete
        self._ends = ends
        self._most = max_output
        self._printed = bytearray()
        self._complaint = bytearray()
        self._memory = GuestMemory(_no_memory)
        self._wasi = Functions(host, self._memory, self._print, self._complain, self.check, self._sleep)
        self._wasi.preopen(preopens(host))
        self._known: dict[str, Callable[..., None]] = {"proc_exit": _exit}
        if complete is not None:
            self._known["fd_close"] = self._close
        self._called: set[str] = set()
        #: When it printed something first, on `time.perf_counter`.
        self.first_byte: float | None = None

    def bind(self, memory: Callable[[], memoryview]) -> None:
        """Says where its memory is."""
        self._memory.view = memory

    def call(self, name: str, *arguments: int) -> int:
        """Calls a function of WASI; its errno. Raises an exception of this file, or a `PreinitError`."""
        self.check()
        function = self._known.get(name)
        if function is None:
            function = self._known[name] = self._wasi[name]
            self._called.add(name)
        self._memory.current = None
        try:
            function(*arguments)
        except WasiError as problem:
            return problem.number
        return Errno.SUCCESS

    def called(self, names: Collection[str]) -> bool:
        """Whether it called one of these functions."""
        return not self._called.isdisjoint(names)

    def check(self) -> None:
        """Raises `OutOfTime` once it is over."""
        if time.monotonic() > self._ends:
            raise OutOfTime

    @property
    def output(self) -> bytes:
        """What it printed to standard output."""
        return bytes(self._printed)

    @property
    def complaint(self) -> str:
        """What it printed to standard error, up to `LONGEST_COMPLAINT`."""
        return self._complaint.decode("utf-8", "replace")

    def close(self) -> None:
        """Closes what is open on the host, and lets go of all but what was printed; once, after the last call."""
        self._wasi.close()
        # It refers to us: together, they would stay, and what was read and printed, until cycles are collected.
        self._known.clear()
        del self._wasi

    def _print(self, data: bytes) -> None:
        if len(self._printed) + len(data) > self._most:
            raise TooMuchOutput
        if self.first_byte is None:
            self.first_byte = time.perf_counter()
        self._printed += data
        if self._complete is not None and self._complete(self._printed):
            raise GuestEnded(0)

    def _close(self, number: int) -> None:
        self._wasi["fd_close"](number)
        if number == _STDOUT and self._printed:
            raise GuestEnded(0)

    def _complain(self, data: bytes) -> None:
        self._complaint += data[: LONGEST_COMPLAINT - len(self._complaint)]

    def _sleep(self, nanoseconds: int) -> None:
        wakes = time.monotonic() + nanoseconds / 1e9
        while (left := wakes - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _NAP))


def functions(module: Module) -> dict[tuple[str, str], HostImport]:
    """The functions of WASI that a module imports; each is given the `Guest` whose copy calls it."""
    return dict(_functions(module))


def _functions(module: Module) -> Iterator[tuple[tuple[str, str], HostImport]]:
    for entry in module.imports:
        parameters = wasi_parameters(module, entry)
        if parameters is not None:
            results = () if entry.name in NO_RESULT else ("i32",)
            yield (MODULE, entry.name), HostImport(parameters, results, _caller(entry.name))


def _caller(name: str) -> Callable[..., int]:
    def call(guest: Guest, *arguments: int) -> int:
        return guest.call(name, *arguments)

    return call


def _exit(code: int) -> None:
    raise GuestEnded(code)


def _no_memory() -> memoryview:
    raise NoMemory
