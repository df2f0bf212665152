"""wasi:filesystem: folders that the guest may use. https://github.com/WebAssembly/wasi-filesystem"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...errors import EngineLimit, in_words
from ...records import replaced
from ..filesread import FilesRead
from ..wasi1.abi import Errno, FileType, WasiError, from_host
from ..wasi1.changes import open_to_change
from ..wasi1.descriptors import read_at
from ..wasi1.files import Descriptor, Metadata, link_target, open_path, path_metadata
from ..wasi1.table import MOST_DESCRIPTORS
from .changes import Changes
from .paths import FOLLOW, check_directory, check_file, name_of
from .streams import Failure, InputStream, stream_of_file

_CODES = {
    Errno.ACCES: "access", Errno.BADF: "bad-descriptor", Errno.EXIST: "exist", Errno.FBIG: "file-too-large",
    Errno.ILSEQ: "illegal-byte-sequence", Errno.INVAL: "invalid", Errno.IO: "io", Errno.ISDIR: "is-directory",
    Errno.LOOP: "loop", Errno.MLINK: "too-many-links", Errno.NAMETOOLONG: "name-too-long", Errno.NOENT: "no-entry",
    Errno.NOTDIR: "not-directory", Errno.NOTEMPTY: "not-empty", Errno.PERM: "not-permitted", Errno.ROFS: "read-only",
    Errno.SPIPE: "invalid-seek", Errno.NOSPC: "insufficient-space", Errno.BUSY: "busy", Errno.OVERFLOW: "overflow",
    Errno.TXTBSY: "text-file-busy", Errno.XDEV: "cross-device", Errno.MFILE: "quota",
}  # fmt: skip
_TYPES = {
    FileType.UNKNOWN: "unknown",
    FileType.DIRECTORY: "directory",
    FileType.REGULAR_FILE: "regular-file",
    FileType.SYMBOLIC_LINK: "symbolic-link",
}

#: Bits of `open-flags`, as preview 1 has them, and of `descriptor-flags`.
_CREATE, _DIRECTORY, _EXCLUSIVE, _TRUNCATE = 1, 2, 4, 8
_READ, _WRITE, _MUTATE_DIRECTORY = 1, 2, 32
_READ_AT_MOST = 1 << 24


def code_of(problem: WasiError) -> str:
    """An errno as `error-code` has it."""
    return _CODES.get(problem.number, "io")


class Entries:
    """A `directory-entry-stream`."""

    def __init__(self, found: Iterator[tuple[bytes, Metadata]]) -> None:
        self.found = found


class FileFunctions:
    """`preopened`: the folders that were given. `noted`: is told that the guest asked which they are. `now`: what the
    wall clock shows, in nanoseconds.

    `opened`: descriptors that are open, and those of streams. `used`: guest paths of the folders in which the guest
    looked for something.
    """

    def __init__(
        self,
        preopened: Iterable[Descriptor],
        files: FilesRead,
        noted: Callable[[str], None],
        now: Callable[[], int],
    ) -> None:
        self._preopened = list(preopened)
        self._files = files
        self._noted = noted
        self._changes = Changes(now, self._opened_again)
        self.opened: dict[int, Descriptor] = {}
        self._of_streams: set[int] = set()
        self.used: set[bytes] = set()

    def close(self) -> None:
        """Closes what is open on the host."""
        while self.opened:
            _, entry = self.opened.popitem()
            entry.close()
        while self._preopened:
            self._preopened.pop().close()

    def note_open(self) -> None:
        """Notes what was read of the files that are open."""
        for entry in self.opened.values():
            self._note(entry)

    def _note(self, entry: Descriptor) -> None:
        self._files.note(entry)
        if entry.was_used and entry.preopen is not None:
            self.used.add(entry.preopen)

    def drop(self, entry: Descriptor) -> None:
        """What closing a descriptor does."""
        self._of_streams.discard(id(entry))
        if self.opened.pop(id(entry), None) is not None:
            self._note(entry)
            entry.close()

    def files(self) -> list[Descriptor]:
        """Files and folders that are open, besides those that were given."""
        return [e for key, e in self.opened.items() if e.preopen is None and key not in self._of_streams]

    def _add(self, entry: Descriptor) -> Descriptor:
        self.opened[id(entry)] = entry
        return entry

    def _check_room(self) -> None:
        if len(self.opened) >= MOST_DESCRIPTORS:
            raise WasiError(Errno.MFILE)

    def directories(self) -> list[tuple[Descriptor, str]]:
        """The folders, each with its path; new handles for each call."""
        self._noted("fd_prestat_get")
        found = []
        for entry in self._preopened:
            if len(self.opened) >= MOST_DESCRIPTORS:  # there is no error that the function could answer
                said = f"the initializer holds more than {MOST_DESCRIPTORS:,} descriptors"
                raise EngineLimit(said, hint="Drop some.")
            try:
                copy = self._copy(entry)
            except OSError as problem:
                raise EngineLimit(f"the host can't open a folder once more: {in_words(problem)}") from problem
            found.append((copy, (entry.preopen or b"").decode("utf-8", "replace")))
        return found

    def _copy(self, entry: Descriptor) -> Descriptor:
        return self._add(replaced(entry, host_fd=os.dup(entry.host_fd)))

    # -- descriptors

    def _open(self, base: Descriptor, follow: int, path: str, how: int, flags: int) -> Descriptor:
        check_directory(base)
        name = name_of(path)
        follows, writes = bool(follow & FOLLOW), bool(flags & _WRITE)
        changes = writes or bool(how & (_CREATE | _TRUNCATE))
        if not base.policy.writable and (how & (_CREATE | _EXCLUSIVE | _TRUNCATE) or flags & ~_READ):
            self._refuse_changes(base, name, follows, how, flags)
        self._check_room()
        if changes and base.policy.writable:
            return self._add(open_to_change(base, name, follows, how, writes, False))
        return self._add(open_path(base, name, follows, bool(how & _DIRECTORY)))

    def _refuse_changes(self, base: Descriptor, name: bytes, follow: bool, how: int, flags: int) -> None:
        """The error of a file system that is read-only; none where nothing would change."""
        try:
            seen = path_metadata(base, name, follow)
        except WasiError as problem:
            if problem.number == Errno.NOENT and how & _CREATE:
                raise WasiError(Errno.ROFS) from None
            raise
        if how & _CREATE and how & _EXCLUSIVE:
            raise WasiError(Errno.EXIST)
        if how & _TRUNCATE or flags & _WRITE:
            raise WasiError(Errno.ISDIR if seen.type == FileType.DIRECTORY else Errno.ROFS)

    def _stat(self, seen: Metadata) -> tuple[Any, ...]:
        times = [((moment // 10**9, moment % 10**9),) for moment in seen.times]
        return _TYPES[seen.type], 1, seen.size, *times

    def _hash(self, seen: Metadata) -> tuple[int, int]:
        return seen.inode, 1

    def _read(self, entry: Descriptor, size: int, offset: int) -> tuple[bytes, bool]:
        check_file(entry)
        data = read_at(entry, min(size, _READ_AT_MOST), offset)
        return data, offset + len(data) >= entry.metadata().size

    def _stream(self, entry: Descriptor, offset: int) -> InputStream:
        check_file(entry)
        return stream_of_file(*self._opened_again(entry), offset)

    def _opened_again(self, entry: Descriptor) -> tuple[Descriptor, Callable[[], None]]:
        """For a stream, which may outlive the descriptor."""
        self._check_room()
        copy = self._copy(entry)
        self._of_streams.add(id(copy))
        return copy, lambda: self.drop(copy)

    def _entries(self, entry: Descriptor) -> Entries:
        check_directory(entry)
        return Entries(iter(entry.listing()[2:]))  # WASI 0.2 has no `.` and `..`

    def _next(self, entries: Entries) -> Any:
        found = next(entries.found, None)
        return None if found is None else ((_TYPES[found[1].type], found[0].decode()),)

    def table(self) -> dict[str, Callable[..., Any]]:
        types = "wasi:filesystem/types#"
        found: dict[str, Callable[..., Any]] = {
            f"[method]descriptor.{name}": _answering(function) for name, function in self._changes.table().items()
        }
        found |= {
            "[method]descriptor.open-at": _answering(self._open),
            "[method]descriptor.stat": _answering(lambda entry: self._stat(entry.metadata())),
            "[method]descriptor.stat-at": _answering(lambda entry, flags, path: self._stat(_seen(entry, flags, path))),
            "[method]descriptor.get-flags": _answering(_flags),
            "[method]descriptor.get-type": _answering(lambda entry: _TYPES[entry.metadata().type]),
            "[method]descriptor.read": _answering(self._read),
            "[method]descriptor.read-via-stream": _answering(self._stream),
            "[method]descriptor.read-directory": _answering(self._entries),
            "[method]descriptor.metadata-hash": _answering(lambda entry: self._hash(entry.metadata())),
            "[method]descriptor.metadata-hash-at": _answering(
                lambda entry, flags, path: self._hash(_seen(entry, flags, path))
            ),
            "[method]descriptor.readlink-at": _answering(_target),
            "[method]descriptor.is-same-object": lambda one, other: one.guest_path == other.guest_path,
            "[method]descriptor.advise": _answering(lambda *_: None),
            "[method]directory-entry-stream.read-directory-entry": _answering(self._next),
            "filesystem-error-code": lambda failure: (failure.code,) if isinstance(failure, Failure) else None,
        }
        return {
            "wasi:filesystem/preopens#get-directories": self.directories,
            **{types + name: function for name, function in found.items()},
        }


def _answering(function: Callable[..., Any]) -> Callable[..., tuple[str, Any]]:
    """The same function with a result: what it returns, or an `error-code`."""

    def call(*values: Any) -> tuple[str, Any]:
        try:
            return "ok", function(*values)
        except WasiError as problem:
            return "err", code_of(problem)
        except OSError as problem:
            return "err", code_of(from_host(problem))

    return call


def _flags(entry: Descriptor) -> int:
    if entry.is_directory:
        return _READ | (_MUTATE_DIRECTORY if entry.policy.writable else 0)
    return _READ | (_WRITE if entry.writes else 0)


def _seen(entry: Descriptor, flags: int, path: str) -> Metadata:
    check_directory(entry)
    return path_metadata(entry, name_of(path), bool(flags & FOLLOW))


def _target(entry: Descriptor, path: str) -> str:
    check_directory(entry)
    return link_target(entry, name_of(path)).decode("utf-8", "replace")
