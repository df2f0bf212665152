"""The functions that take an open descriptor: reading, writing, seeking, metadata, listing."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from .abi import (
    ALL_RIGHTS,
    APPEND,
    DIRECTORY_RIGHTS,
    FD_FLAGS,
    FILE_RIGHTS,
    FILESTAT,
    INHERITED_RIGHTS,
    WRITTEN_RIGHTS,
    Errno,
    FileType,
    Rights,
    WasiError,
    from_host,
)
from .files import Descriptor, pack_metadata
from .memory import GuestMemory
from .streams import Stream
from .table import Table

_FDSTAT = struct.Struct("<BxH4xQQ")
_DIRENT = struct.Struct("<QQIB3x")
_PRESTAT = struct.Struct("<II")
_FROM_CURRENT, _FROM_END = 1, 2


class DescriptorFunctions:
    """A method has the name and the parameters of the WASI function; it returns nothing or raises `WasiError`."""

    def __init__(self, memory: GuestMemory, table: Table, noted: Callable[[str], None]) -> None:
        self._memory = memory
        self._table = table
        self._noted = noted

    # -- reading and writing

    def fd_read(self, fd: int, vectors: int, count: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        size = sum(map(len, spans))
        entry = self._table.any(fd)
        if isinstance(entry, Stream):
            if entry.sink is not None:
                raise WasiError(Errno.BADF)
            data = entry.read(size)
            if size:
                self._noted("fd_read")
        else:
            entry = self._table.file(fd)
            data = read_at(entry, size, entry.position)
            entry.position += len(data)
        _scatter(data, spans)
        self._memory.write_u32(result, len(data))

    def fd_pread(self, fd: int, vectors: int, count: int, offset: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        data = read_at(self._table.file(fd), sum(map(len, spans)), offset)
        _scatter(data, spans)
        self._memory.write_u32(result, len(data))

    def fd_write(self, fd: int, vectors: int, count: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        entry = self._table.any(fd)
        data = b"".join(spans)
        if isinstance(entry, Stream):
            if entry.sink is None:
                raise WasiError(Errno.BADF)
            entry.sink(data)
            size = len(data)
        else:
            if not entry.writes:
                raise WasiError(Errno.BADF)
            self._memory.span(result, 4)  # nothing is written by a call that fails
            place = entry.metadata().size if entry.appends else entry.position
            size = write_at(entry, data, place)
            entry.position = place + size
        self._memory.write_u32(result, size)

    def fd_pwrite(self, fd: int, vectors: int, count: int, offset: int, result: int) -> None:
        entry = self._table.any(fd)
        if isinstance(entry, Stream):
            raise WasiError(Errno.SPIPE)
        if not entry.writes:
            raise WasiError(Errno.BADF)
        data = b"".join(self._memory.vectors(vectors, count))
        self._memory.span(result, 4)
        self._memory.write_u32(result, write_at(entry, data, offset))

    def fd_seek(self, fd: int, offset: int, whence: int, result: int) -> None:
        entry = self._table.file(fd)
        if whence > _FROM_END:
            raise WasiError(Errno.INVAL)
        base = 0
        if whence == _FROM_CURRENT:
            base = entry.position
        elif whence == _FROM_END:
            base = entry.metadata().size
        position = base + (offset - (1 << 64) if offset >> 63 else offset)
        if not 0 <= position < 1 << 63:
            raise WasiError(Errno.INVAL)
        entry.position = position
        self._memory.write_u64(result, position)

    def fd_tell(self, fd: int, result: int) -> None:
        self._memory.write_u64(result, self._table.file(fd).position)

    # -- the table

    def fd_close(self, fd: int) -> None:
        self._table.remove(fd)

    def fd_renumber(self, fd: int, to: int) -> None:
        self._table.renumber(fd, to)

    # -- metadata

    def fd_fdstat_get(self, fd: int, result: int) -> None:
        entry = self._table.any(fd)
        if isinstance(entry, Stream):
            # Not a character device: a terminal would make the C library write unbuffered.
            rights = Rights.POLL_FD_READWRITE | (Rights.FD_WRITE if entry.sink else Rights.FD_READ)
            packed = _FDSTAT.pack(FileType.UNKNOWN, 0, rights, 0)
        elif entry.is_directory:
            both = (ALL_RIGHTS, ALL_RIGHTS) if entry.policy.writable else (DIRECTORY_RIGHTS, INHERITED_RIGHTS)
            packed = _FDSTAT.pack(FileType.DIRECTORY, 0, *both)
        else:
            rights = FILE_RIGHTS | (WRITTEN_RIGHTS if entry.writes else 0)
            packed = _FDSTAT.pack(FileType.REGULAR_FILE, APPEND if entry.appends else 0, rights, 0)
        self._memory.write(result, packed)

    def fd_filestat_get(self, fd: int, result: int) -> None:
        entry = self._table.any(fd)
        if isinstance(entry, Stream):
            self._memory.write(result, FILESTAT.pack(0, fd, FileType.UNKNOWN, 1, 0, 0, 0, 0))
        else:
            self._table.note_itself(fd)
            self._memory.write(result, pack_metadata(entry.metadata()))

    def _preopen_name(self, fd: int) -> bytes:
        entry = self._table.any(fd)
        if not isinstance(entry, Descriptor) or entry.preopen is None:
            raise WasiError(Errno.BADF)
        return entry.preopen

    def fd_prestat_get(self, fd: int, result: int) -> None:
        name = self._preopen_name(fd)
        self._memory.write(result, _PRESTAT.pack(0, len(name)))
        self._noted("fd_prestat_get")

    def fd_prestat_dir_name(self, fd: int, path: int, size: int) -> None:
        name = self._preopen_name(fd)
        if size < len(name):
            raise WasiError(Errno.NAMETOOLONG)
        self._memory.write(path, name)

    def fd_readdir(self, fd: int, buffer: int, size: int, cookie: int, result: int) -> None:
        """Entries from number `cookie` on, the last one cut off where the buffer ends."""
        entry = self._table.directory(fd)
        span = self._memory.span(buffer, size)
        if cookie == 0 or entry.entries is None:
            entry.entries = entry.listing()
        entries = entry.entries
        used = 0
        while used < size and cookie < len(entries):
            name, seen = entries[cookie]
            cookie += 1
            record = (_DIRENT.pack(cookie, seen.inode, len(name), seen.type) + name)[: size - used]
            span[used : used + len(record)] = record
            used += len(record)
        entry.half_listed = used == size  # else the guest knows that there was no more
        self._memory.write_u32(result, used)

    # -- reaching the disk

    def fd_datasync(self, fd: int) -> None:
        self.fd_sync(fd)

    def fd_sync(self, fd: int) -> None:
        entry = self._table.any(fd)
        if isinstance(entry, Descriptor):
            sync(entry)

    # -- what only changes things that a build can't show

    def fd_advise(self, fd: int, _offset: int, _length: int, _advice: int) -> None:
        self._table.any(fd)

    def fd_fdstat_set_flags(self, fd: int, flags: int) -> None:
        entry = self._table.any(fd)
        if flags & ~FD_FLAGS:
            raise WasiError(Errno.INVAL)
        entry.flags = flags
        if isinstance(entry, Descriptor) and entry.writes:
            entry.appends = bool(flags & APPEND)
        if isinstance(entry, Descriptor) and entry.opening is not None:
            entry.opening = entry.opening._replace(fd_flags=flags)

    def fd_fdstat_set_rights(self, fd: int, _base: int, _inheriting: int) -> None:
        self._table.any(fd)


def read_at(entry: Descriptor, size: int, offset: int) -> bytes:
    """Reads some of a file. Raises `WasiError`."""
    if offset >> 63:
        raise WasiError(Errno.INVAL)
    entry.was_read = True
    try:
        return os.pread(entry.host_fd, size, offset)
    except OSError as problem:
        raise from_host(problem) from problem


def write_at(entry: Descriptor, data: bytes, offset: int) -> int:
    """Writes to a file that was opened for that; returns how many bytes. Raises `WasiError`."""
    if (offset + len(data)) >> 63:
        raise WasiError(Errno.INVAL if offset >> 63 else Errno.FBIG)
    try:
        return os.pwrite(entry.host_fd, data, offset) if data else 0
    except OSError as problem:
        raise from_host(problem) from problem


def sync(entry: Descriptor) -> None:
    """Has the disk hold what was written. Raises `WasiError`."""
    if entry.writes:
        try:
            os.fsync(entry.host_fd)
        except OSError as problem:
            raise from_host(problem) from problem


def _scatter(data: bytes, spans: list[memoryview]) -> None:
    at = 0
    for span in spans:
        part = data[at : at + len(span)]
        span[: len(part)] = part
        at += len(part)
