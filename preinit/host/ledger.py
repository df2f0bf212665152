"""The ledger: what a guest asked of the world while it initialized, and where it asked first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine.values import RawFrame
from ..errors import Frame
from ..options import Host

if TYPE_CHECKING:
    from ..result import FileFacts, HostFacts
    from .wasi.files import Descriptor
    from .wasi.functions import Functions

#: A longer file is listed without its SHA-256: of a huge one, a guest may have read a few bytes.
LONGEST_HASHED = 256 << 20
_CHUNK = 1 << 20

#: Frames from the engine to those of the original module.
Frames = Callable[[Sequence[RawFrame]], tuple[Frame, ...]]


class Calls(dict[str, int]):
    """How often each import was called. Host functions count themselves: `calls[name] += 1`.

    The first time, that takes the guest's backtrace with `backtrace`; from then on it costs what a dict costs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backtrace: Callable[[], Sequence[RawFrame]] = tuple
        self.first: dict[str, Sequence[RawFrame]] = {}

    def __missing__(self, name: str) -> int:
        self.first[name] = self.backtrace()
        return 0


class FilesRead:
    """The files of which something was read: the first content under each path of the guest."""

    def __init__(self) -> None:
        self._files: dict[bytes, tuple[int, str | None]] = {}

    def note(self, entry: Descriptor) -> None:
        """To be called for each descriptor before it is closed, and for those that are open at the end."""
        if not entry.was_read or entry.guest_path in self._files:
            return
        with suppress(OSError):
            size = os.fstat(entry.host_fd).st_size
            self._files[entry.guest_path] = size, _sha256(entry.host_fd) if size <= LONGEST_HASHED else None

    def facts(self) -> tuple[FileFacts, ...]:
        from ..result import FileFacts

        return tuple(FileFacts(_shown(path), *content) for path, content in sorted(self._files.items()))


def _sha256(host_fd: int) -> str:
    digest = hashlib.sha256()
    at = 0
    while part := os.pread(host_fd, _CHUNK, at):
        digest.update(part)
        at += len(part)
    return digest.hexdigest()


def _shown(guest_path: bytes) -> str:
    return guest_path.decode("utf-8", "surrogateescape") or "/"


def settle(host: Host, calls: Calls, wasi: Functions, original_frames: Frames) -> HostFacts:
    """The facts about a guest that has ended and of which nothing was closed yet."""
    from ..result import DescriptorFacts, HostFacts

    still_open = wasi.open_descriptors()
    for _, entry in still_open:
        wasi.files.note(entry)
    return HostFacts(
        calls=dict(sorted(calls.items())),
        first_calls={name: original_frames(frames) for name, frames in sorted(calls.first.items())},
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
    )
