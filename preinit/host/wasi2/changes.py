"""wasi:filesystem: what changes a folder that may be written. https://github.com/WebAssembly/wasi-filesystem"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..wasi1 import changes
from ..wasi1.abi import Errno, WasiError
from ..wasi1.descriptors import sync, write_at
from ..wasi1.files import Descriptor
from .paths import FOLLOW, check_directory, check_file, name_of
from .streams import OutputStream

#: A `new-timestamp`: "no-change", "now", or "timestamp" with seconds and nanoseconds.
NewTime = tuple[str, Any]


class Changes:
    """Methods of descriptors, by name; see `table`. Where a folder can't be written, they say so.

    `now`: what the wall clock shows, in nanoseconds. `opened_again`: gives a descriptor that stays open for a stream,
    and what closes it.
    """

    def __init__(
        self, now: Callable[[], int], opened_again: Callable[[Descriptor], tuple[Descriptor, Callable[[], None]]]
    ) -> None:
        self._now = now
        self._opened_again = opened_again

    # -- open files

    def _write(self, entry: Descriptor, data: bytes, offset: int) -> int:
        _check_written(entry)
        return write_at(entry, data, offset)

    def _stream(self, entry: Descriptor, offset: int) -> OutputStream:
        return self._stream_at(entry, offset)

    def _appending(self, entry: Descriptor) -> OutputStream:
        return self._stream_at(entry, None)

    def _stream_at(self, entry: Descriptor, offset: int | None) -> OutputStream:
        """`offset`: None for the end, wherever that is then."""
        _check_written(entry)
        kept, close = self._opened_again(entry)
        at = offset

        def write(data: bytes) -> None:
            nonlocal at
            while data:
                done = write_at(kept, data, kept.metadata().size if at is None else at)
                at = None if at is None else at + done
                data = data[done:]

        return OutputStream(write, close)

    def _set_size(self, entry: Descriptor, size: int) -> None:
        _check_written(entry)
        changes.set_size(entry, size)

    def _set_times(self, entry: Descriptor, access: NewTime, modification: NewTime) -> None:
        _check_writable(entry)
        changes.set_own_times(entry, self._times(access, modification))

    def _times(self, access: NewTime, modification: NewTime) -> Callable[[os.stat_result], tuple[int, int]]:
        return lambda was: (self._time(access, was.st_atime_ns), self._time(modification, was.st_mtime_ns))

    def _time(self, given: NewTime, was: int) -> int:
        case, moment = given
        if case != "timestamp":
            return self._now() if case == "now" else was
        found = int(moment[0]) * 10**9 + int(moment[1])
        if found >> 63:
            raise WasiError(Errno.INVAL)
        return found

    # -- paths

    def _set_times_at(self, base: Descriptor, follow: int, path: str, access: NewTime, modification: NewTime) -> None:
        name = _in_writable(base, path)
        changes.set_times(base, name, bool(follow & FOLLOW), self._times(access, modification))

    def _link(self, base: Descriptor, follow: int, path: str, to_base: Descriptor, to_path: str) -> None:
        base.was_used = to_base.was_used = True
        source, target = _in_writable(base, path), _in_writable(to_base, to_path)
        changes.link(base, source, bool(follow & FOLLOW), to_base, target)

    def _rename(self, base: Descriptor, path: str, to_base: Descriptor, to_path: str) -> None:
        base.was_used = to_base.was_used = True
        source, target = _in_writable(base, path), _in_writable(to_base, to_path)
        changes.rename(base, source, to_base, target)

    def _symlink(self, base: Descriptor, target: str, path: str) -> None:
        name = _in_writable(base, path)
        changes.symlink(name_of(target), base, name)

    def table(self) -> dict[str, Callable[..., Any]]:
        """What each returns, or raises as `WasiError`, is its result."""
        return {
            "write": self._write,
            "write-via-stream": self._stream,
            "append-via-stream": self._appending,
            "set-size": self._set_size,
            "set-times": self._set_times,
            "sync": sync,
            "sync-data": sync,
            "set-times-at": self._set_times_at,
            "create-directory-at": lambda base, path: changes.create_directory(base, _in_writable(base, path)),
            "link-at": self._link,
            "remove-directory-at": lambda base, path: changes.remove_directory(base, _in_writable(base, path)),
            "rename-at": self._rename,
            "symlink-at": self._symlink,
            "unlink-file-at": lambda base, path: changes.unlink_file(base, _in_writable(base, path)),
        }


def _check_writable(entry: Descriptor) -> None:
    entry.was_used = True  # the guest asked for something in there, also where it is refused
    if not entry.policy.writable:
        raise WasiError(Errno.ROFS)


def _check_written(entry: Descriptor) -> None:
    """Raises `WasiError` where an open file can't be written."""
    _check_writable(entry)
    check_file(entry)
    if not entry.writes:
        raise WasiError(Errno.BADF)


def _in_writable(base: Descriptor, path: str) -> bytes:
    _check_writable(base)
    check_directory(base)
    return name_of(path)
