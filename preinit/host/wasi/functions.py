"""The functions of WASI preview 1, read-only and reproducible."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from ...errors import GuestExit, GuestTrap
from ...options import Host
from .abi import (
    CREATE,
    DIRECTORY,
    DIRECTORY_RIGHTS,
    EXCLUSIVE,
    FILE_RIGHTS,
    SYMLINK_FOLLOW,
    TRUNCATE,
    Errno,
    FileType,
    Rights,
    WasiError,
    from_host,
)
from .entropy import RandomStream
from .files import Descriptor, Metadata, link_target, open_path, path_metadata
from .memory import GuestMemory
from .streams import Stream

_FILESTAT = struct.Struct("<QQB7xQQQQQ")
_FDSTAT = struct.Struct("<BxH4xQQ")
_DIRENT = struct.Struct("<QQIB3x")
_EVENT = struct.Struct("<QHB5xQH6x")
_SUBSCRIPTION_SIZE = 48

#: How far the monotonic clock moves each time it is read, in nanoseconds.
MONOTONIC_STEP = 1_000
_REALTIME = 0

#: Descriptors that a guest may have open.
MOST_DESCRIPTORS = 1024

#: Bytes that one call reads from a file at most, whatever the guest asks for: the rest comes with the next call.
_LARGEST_READ = 64 << 20


class Functions:
    """One guest's view of WASI: descriptors, clock, random stream.

    A method has the name and the parameters of the WASI function; it returns nothing or raises `WasiError`.
    """

    def __init__(
        self, host: Host, memory: GuestMemory, preopens: list[Descriptor], output: Callable[[bytes], None]
    ) -> None:
        self._memory = memory
        self._args = [text.encode("utf-8", "surrogateescape") + b"\0" for text in host.args]
        self._environ = [f"{name}={value}".encode("utf-8", "surrogateescape") + b"\0" for name, value in host.env]
        self._monotonic = 0
        self.random = RandomStream(host.seed)
        self._descriptors: dict[int, Descriptor | Stream] = {
            0: Stream(data=host.stdin),
            1: Stream(sink=output),
            2: Stream(sink=output),
        }
        for number, entry in enumerate(preopens, 3):
            self._descriptors[number] = entry

    def close(self) -> None:
        """Closes what is open on the host."""
        for entry in self._descriptors.values():
            if isinstance(entry, Descriptor):
                entry.close()
        self._descriptors.clear()

    # -- descriptors

    def _any(self, fd: int) -> Descriptor | Stream:
        entry = self._descriptors.get(fd)
        if entry is None:
            raise WasiError(Errno.BADF)
        return entry

    def _directory(self, fd: int) -> Descriptor:
        entry = self._any(fd)
        if not isinstance(entry, Descriptor) or not entry.is_directory:
            raise WasiError(Errno.NOTDIR)
        return entry

    def _file(self, fd: int) -> Descriptor:
        entry = self._any(fd)
        if not isinstance(entry, Descriptor):
            raise WasiError(Errno.SPIPE)
        if entry.is_directory:
            raise WasiError(Errno.ISDIR)
        return entry

    # -- arguments and environment

    def _strings_get(self, strings: list[bytes], array: int, buffer: int) -> None:
        for text in strings:
            self._memory.write_u32(array, buffer)
            self._memory.write(buffer, text)
            array += 4
            buffer += len(text)

    def _sizes_get(self, strings: list[bytes], count: int, size: int) -> None:
        self._memory.write_u32(count, len(strings))
        self._memory.write_u32(size, sum(map(len, strings)))

    def args_get(self, array: int, buffer: int) -> None:
        self._strings_get(self._args, array, buffer)

    def args_sizes_get(self, count: int, size: int) -> None:
        self._sizes_get(self._args, count, size)

    def environ_get(self, array: int, buffer: int) -> None:
        self._strings_get(self._environ, array, buffer)

    def environ_sizes_get(self, count: int, size: int) -> None:
        self._sizes_get(self._environ, count, size)

    # -- clocks, random numbers, scheduling

    def clock_res_get(self, clock: int, result: int) -> None:
        if clock > 3:
            raise WasiError(Errno.INVAL)
        self._memory.write_u64(result, 1 if clock == 0 else MONOTONIC_STEP)

    def clock_time_get(self, clock: int, _precision: int, result: int) -> None:
        if clock > 3:
            raise WasiError(Errno.INVAL)
        if clock == 0:
            now = _REALTIME
        else:
            self._monotonic += MONOTONIC_STEP
            now = self._monotonic
        self._memory.write_u64(result, now)

    def random_get(self, buffer: int, size: int) -> None:
        span = self._memory.span(buffer, size)
        span[:] = self.random.take(size)

    def sched_yield(self) -> None:
        pass

    def poll_oneoff(self, subscriptions: int, events: int, count: int, result: int) -> None:
        """Nobody waits: descriptors are ready at once, and time jumps to the first clock's end."""
        if not count:
            raise WasiError(Errno.INVAL)
        ready: list[bytes] = []
        clocks: list[tuple[int, int]] = []
        wanted = bytes(self._memory.span(subscriptions, count * _SUBSCRIPTION_SIZE))
        for start in range(0, len(wanted), _SUBSCRIPTION_SIZE):
            user, tag = struct.unpack_from("<QB", wanted, start)
            if tag == 0:
                clock, timeout, _precision, flags = struct.unpack_from("<IxxxxQQH", wanted, start + 16)
                now = _REALTIME if clock == 0 else self._monotonic
                clocks.append((max(0, timeout - now) if flags & 1 else timeout, user))
            elif tag in (1, 2):
                (fd,) = struct.unpack_from("<I", wanted, start + 16)
                number = Errno.SUCCESS if fd in self._descriptors else Errno.BADF
                ready.append(_EVENT.pack(user, number, tag, 1, 0))
            else:
                raise WasiError(Errno.INVAL)
        if not ready:
            soonest = min(wait for wait, _ in clocks)
            self._monotonic += min(soonest, 1 << 62)
            ready = [_EVENT.pack(user, Errno.SUCCESS, 0, 0, 0) for wait, user in clocks if wait == soonest]
        self._memory.write(events, b"".join(ready))
        self._memory.write_u32(result, len(ready))

    def proc_exit(self, code: int) -> None:
        raise GuestExit(f"the initializer called proc_exit({code})")

    def proc_raise(self, signal: int) -> None:
        raise GuestTrap(f"the initializer raised signal {signal}")

    # -- reading and writing

    def _scatter(self, data: bytes, spans: list[memoryview]) -> None:
        at = 0
        for span in spans:
            part = data[at : at + len(span)]
            span[: len(part)] = part
            at += len(part)

    def fd_read(self, fd: int, vectors: int, count: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        size = min(sum(map(len, spans)), _LARGEST_READ)
        entry = self._any(fd)
        if isinstance(entry, Stream):
            data = entry.read(size)
        else:
            data = self._read_at(self._file(fd), size, entry.position)
            entry.position += len(data)
        self._scatter(data, spans)
        self._memory.write_u32(result, len(data))

    def fd_pread(self, fd: int, vectors: int, count: int, offset: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        data = self._read_at(self._file(fd), min(sum(map(len, spans)), _LARGEST_READ), offset)
        self._scatter(data, spans)
        self._memory.write_u32(result, len(data))

    def _read_at(self, entry: Descriptor, size: int, offset: int) -> bytes:
        if offset >> 63:
            raise WasiError(Errno.INVAL)
        try:
            return os.pread(entry.host_fd, size, offset)
        except OSError as problem:
            raise from_host(problem) from problem

    def fd_write(self, fd: int, vectors: int, count: int, result: int) -> None:
        spans = self._memory.vectors(vectors, count)
        entry = self._any(fd)
        if not isinstance(entry, Stream) or entry.sink is None:
            raise WasiError(Errno.BADF)
        for span in spans:
            entry.sink(bytes(span))
        self._memory.write_u32(result, sum(map(len, spans)))

    def fd_pwrite(self, fd: int, _vectors: int, _count: int, _offset: int, _result: int) -> None:
        raise WasiError(Errno.SPIPE if isinstance(self._any(fd), Stream) else Errno.BADF)

    def fd_seek(self, fd: int, offset: int, whence: int, result: int) -> None:
        entry = self._file(fd)
        if whence > 2:
            raise WasiError(Errno.INVAL)
        base = (0, entry.position, entry.metadata().size if whence == 2 else 0)[whence]
        position = base + (offset - (1 << 64) if offset >> 63 else offset)
        if not 0 <= position < 1 << 63:
            raise WasiError(Errno.INVAL)
        entry.position = position
        self._memory.write_u64(result, position)

    def fd_tell(self, fd: int, result: int) -> None:
        self._memory.write_u64(result, self._file(fd).position)

    def fd_close(self, fd: int) -> None:
        entry = self._any(fd)
        del self._descriptors[fd]
        if isinstance(entry, Descriptor):
            entry.close()

    def fd_renumber(self, fd: int, to: int) -> None:
        entry = self._any(fd)
        if fd == to:
            return
        self.fd_close(to)
        self._descriptors[to] = entry
        del self._descriptors[fd]

    # -- metadata

    def fd_fdstat_get(self, fd: int, result: int) -> None:
        entry = self._any(fd)
        if isinstance(entry, Stream):
            rights = Rights.POLL_FD_READWRITE | (Rights.FD_WRITE if entry.sink else Rights.FD_READ)
            self._memory.write(result, _FDSTAT.pack(FileType.UNKNOWN, 0, rights, 0))
        elif entry.is_directory:
            inherited = DIRECTORY_RIGHTS | FILE_RIGHTS
            self._memory.write(result, _FDSTAT.pack(FileType.DIRECTORY, 0, DIRECTORY_RIGHTS, inherited))
        else:
            self._memory.write(result, _FDSTAT.pack(FileType.REGULAR_FILE, 0, FILE_RIGHTS, 0))

    def _write_filestat(self, result: int, seen: Metadata) -> None:
        # One device for all: nothing tells two folders of the host apart but their guest paths.
        self._memory.write(
            result, _FILESTAT.pack(1, seen.inode, seen.type, 1, seen.size, _REALTIME, _REALTIME, _REALTIME)
        )

    def fd_filestat_get(self, fd: int, result: int) -> None:
        entry = self._any(fd)
        if isinstance(entry, Stream):
            self._memory.write(result, _FILESTAT.pack(0, fd, FileType.UNKNOWN, 1, 0, 0, 0, 0))
        else:
            self._write_filestat(result, entry.metadata())

    def path_filestat_get(self, fd: int, flags: int, path: int, size: int, result: int) -> None:
        text = self._memory.path(path, size)
        self._write_filestat(result, path_metadata(self._directory(fd), text, bool(flags & SYMLINK_FOLLOW)))

    def fd_prestat_get(self, fd: int, result: int) -> None:
        entry = self._any(fd)
        if not isinstance(entry, Descriptor) or entry.preopen is None:
            raise WasiError(Errno.BADF)
        self._memory.write(result, struct.pack("<II", 0, len(entry.preopen.encode())))

    def fd_prestat_dir_name(self, fd: int, path: int, size: int) -> None:
        entry = self._any(fd)
        if not isinstance(entry, Descriptor) or entry.preopen is None:
            raise WasiError(Errno.BADF)
        encoded = entry.preopen.encode()
        if size < len(encoded):
            raise WasiError(Errno.NAMETOOLONG)
        self._memory.write(path, encoded)

    # -- directories and paths

    def path_open(
        self,
        fd: int,
        flags: int,
        path: int,
        size: int,
        open_flags: int,
        rights: int,
        _inheriting: int,
        _fd_flags: int,
        result: int,
    ) -> None:
        text = self._memory.path(path, size)
        base = self._directory(fd)
        if rights & Rights.FD_WRITE or open_flags & TRUNCATE:
            raise WasiError(Errno.ROFS)
        if open_flags & CREATE:
            try:
                path_metadata(base, text, bool(flags & SYMLINK_FOLLOW))
            except WasiError as problem:
                raise WasiError(Errno.ROFS if problem.number == Errno.NOENT else problem.number) from None
            if open_flags & EXCLUSIVE:
                raise WasiError(Errno.EXIST)
        if len(self._descriptors) >= MOST_DESCRIPTORS:
            raise WasiError(Errno.MFILE)
        opened = open_path(base, text, bool(flags & SYMLINK_FOLLOW), bool(open_flags & DIRECTORY))
        number = next(i for i in range(3, MOST_DESCRIPTORS + 4) if i not in self._descriptors)
        self._descriptors[number] = opened
        self._memory.write_u32(result, number)

    def fd_readdir(self, fd: int, buffer: int, size: int, cookie: int, result: int) -> None:
        entry = self._directory(fd)
        span = self._memory.span(buffer, size)
        if cookie == 0 or not entry.entries:
            try:
                entry.entries = entry.listing()
            except OSError as problem:
                raise from_host(problem) from problem
        used = 0
        for number, (name, seen) in enumerate(entry.entries[cookie:], cookie + 1):
            encoded = name.encode("utf-8")
            record = _DIRENT.pack(number, seen.inode, len(encoded), seen.type) + encoded
            part = record[: size - used]
            span[used : used + len(part)] = part
            used += len(part)
            if used == size:
                break
        self._memory.write_u32(result, used)

    def path_readlink(self, fd: int, path: int, path_size: int, buffer: int, size: int, result: int) -> None:
        target = link_target(self._directory(fd), self._memory.path(path, path_size))[:size]
        self._memory.write(buffer, target)
        self._memory.write_u32(result, len(target))

    # -- what only changes things that a build can't show

    def fd_advise(self, fd: int, _offset: int, _length: int, _advice: int) -> None:
        self._any(fd)

    def fd_datasync(self, fd: int) -> None:
        self._any(fd)

    def fd_sync(self, fd: int) -> None:
        self._any(fd)

    def fd_fdstat_set_flags(self, fd: int, _flags: int) -> None:
        self._any(fd)

    def fd_fdstat_set_rights(self, fd: int, _base: int, _inheriting: int) -> None:
        self._any(fd)
