"""The ledger: what a guest asked of the world while it initialized, and where it asked first."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..binary.module import Module
from ..engine.values import RawFrame
from ..errors import Frame
from ..options import Host
from .buffers import unflushed

if TYPE_CHECKING:
    from ..result import FileFacts, HostFacts
    from .wasi.files import Descriptor
    from .wasi.functions import Functions

#: A longer file is listed without its SHA-256: of a huge one, a guest may have read a few bytes.
LONGEST_HASHED = 256 << 20
_CHUNK = 1 << 18
#: Bytes of a file from which on a thread digests it: it takes 1 ms for each MB.
_WORTH_A_THREAD = 4 << 20

#: From the engine's frames to indices of functions of the original module.
Original = Callable[[Sequence[RawFrame]], list[int]]


class Calls(dict[str, int]):
    """How often each import was called. Host functions count themselves: `calls[name] += 1`.

    The first time, that takes the guest's backtrace with `backtrace`; from then on it costs what a dict costs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backtrace: Callable[[], Sequence[RawFrame]] = tuple
        self.first: dict[str, Sequence[RawFrame]] = {}

    def __missing__(self, name: str) -> int:
        self.note(name)
        return 0

    def note(self, name: str) -> None:
        """The first call of a function whose calls somebody else counts."""
        self.first.setdefault(name, self.backtrace())


class FilesRead:
    """The files of which something was read: the first content under each path of the guest.

    `beside`: a large file may be digested while the guest goes on. It must not be able to change files then. `digests`:
    whether they are digested at all.
    """

    def __init__(self, beside: bool = True) -> None:
        self._files: dict[bytes, _File] = {}
        self._beside = beside
        self.digests = True
        self._working: threading.Thread | None = None

    def note(self, entry: Descriptor) -> None:
        """To be called for each descriptor before it is closed, and for those that are open at the end."""
        if not entry.was_read or entry.guest_path in self._files:
            return
        with suppress(OSError):
            file = self._files[entry.guest_path] = _File(os.fstat(entry.host_fd).st_size)
            if file.size > LONGEST_HASHED or not self.digests:
                return
            busy = self._working is not None and self._working.is_alive()
            if not self._beside or busy or file.size < _WORTH_A_THREAD:
                file.digest(entry.host_fd)
                return
            host_fd = os.dup(entry.host_fd)
            self._working = threading.Thread(target=file.digest_and_close, args=(host_fd,), daemon=True)
            self._working.start()

    def facts(self) -> tuple[FileFacts, ...]:
        """All of them, by path."""
        from ..result import FileFacts

        if self._working is not None:
            self._working.join()
        return tuple(FileFacts(_shown(path), file.size, file.sha256) for path, file in sorted(self._files.items()))


class _File:
    def __init__(self, size: int) -> None:
        self.size = size
        self.sha256: str | None = None

    def digest(self, host_fd: int) -> None:
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK))  # a new one for each part would take longer than the digest
        at = 0
        while size := os.preadv(host_fd, [buffer], at):
            digest.update(buffer[:size])
            at += size
        self.sha256 = digest.hexdigest()

    def digest_and_close(self, host_fd: int) -> None:
        try:
            with suppress(OSError):
                self.digest(host_fd)
        finally:
            os.close(host_fd)


def _shown(guest_path: bytes) -> str:
    return guest_path.decode("utf-8", "surrogateescape") or "/"


def _backtraces(module: Module, calls: Calls, original: Original) -> dict[str, tuple[Frame, ...]]:
    """The backtraces of first calls, without offsets: for a guest that is compiled on demand, those take a while."""
    functions = {name: original(frames) for name, frames in sorted(calls.first.items())}
    names = module.function_names({index for indices in functions.values() for index in indices})
    return {name: tuple(Frame(i, names.get(i)) for i in indices) for name, indices in functions.items()}


def settle(
    module: Module, host: Host, calls: Calls, wasi: Functions, original: Original, memory: memoryview | None = None
) -> HostFacts:
    """The facts about a guest that has ended and of which nothing was closed yet. `memory`: the one that it exports."""
    from ..result import DescriptorFacts, HostFacts

    still_open = wasi.open_descriptors()
    for _, entry in still_open:
        wasi.files.note(entry)
    return HostFacts(
        calls=dict(sorted(calls.items())),
        first_calls=_backtraces(module, calls, original),
        random_bytes=wasi.random_bytes,
        clock_reads=wasi.clock_reads[0],
        monotonic_reads=sum(wasi.clock_reads[1:]),
        environment_read="environ_sizes_get" in calls or "environ_get" in calls,
        environment=tuple(sorted(name for name, _ in host.env)) if "environ_get" in calls else (),
        arguments_read="args_sizes_get" in calls or "args_get" in calls,
        arguments=host.args if "args_get" in calls else (),
        stdin_read=wasi.stdin.was_read,
        stdin_bytes=wasi.stdin.position,
        folders=tuple(guest for _, guest in host.dirs),
        folders_listed="fd_prestat_get" in calls or "fd_prestat_dir_name" in calls,
        files=wasi.files.facts(),
        open_descriptors=tuple(
            DescriptorFacts(number, _shown(entry.guest_path)) for number, entry in still_open if entry.preopen is None
        ),
        unflushed=unflushed(module, memory) if memory is not None else {},
    )
