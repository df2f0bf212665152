"""The functions that change a folder which may be written. Paths are resolved as for reading: nothing leads out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager

from .abi import CREATE, DIRECTORY, EXCLUSIVE, SYMLINK_FOLLOW, TRUNCATE, Errno, WasiError, from_host
from .files import Descriptor, Place, open_path, walk
from .memory import GuestMemory
from .table import Table

_NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

#: `fstflags`: which times to set, to what is given or to now.
_ACCESS, _ACCESS_NOW, _MODIFICATION, _MODIFICATION_NOW = 1, 2, 4, 8


class ChangeFunctions:
    """A method has the name and the parameters of the WASI function; it returns nothing or raises `WasiError`.

    `now`: what the wall clock shows, in nanoseconds.
    """

    def __init__(self, memory: GuestMemory, table: Table, now: Callable[[], int]) -> None:
        self._memory = memory
        self._table = table
        self._now = now

    # -- open files

    def fd_allocate(self, fd: int, offset: int, size: int) -> None:
        """Makes a file that long at least. Room on the host's disk is not set aside."""
        entry = self._written(fd)
        if not size or (offset | size) >> 63:
            raise WasiError(Errno.INVAL)
        if offset + size > entry.metadata().size:
            set_size(entry, offset + size)

    def fd_filestat_set_size(self, fd: int, size: int) -> None:
        set_size(self._written(fd), size)

    def fd_filestat_set_times(self, fd: int, access: int, modification: int, flags: int) -> None:
        entry = self._table.any(fd)
        if not isinstance(entry, Descriptor):
            raise WasiError(Errno.BADF)
        self._table.note_itself(fd)
        self._table.note_used(fd)
        set_own_times(entry, lambda was: self._times(was, access, modification, flags))

    def _written(self, fd: int) -> Descriptor:
        entry = self._table.file(fd)
        if not entry.writes:
            raise WasiError(Errno.BADF)
        return entry

    def _times(self, status: os.stat_result, access: int, modification: int, flags: int) -> tuple[int, int]:
        if (flags & _ACCESS and flags & _ACCESS_NOW) or (flags & _MODIFICATION and flags & _MODIFICATION_NOW):
            raise WasiError(Errno.INVAL)
        if (access if flags & _ACCESS else 0) >> 63 or (modification if flags & _MODIFICATION else 0) >> 63:
            raise WasiError(Errno.INVAL)
        return (
            access if flags & _ACCESS else self._now() if flags & _ACCESS_NOW else status.st_atime_ns,
            modification if flags & _MODIFICATION else self._now() if flags & _MODIFICATION_NOW else status.st_mtime_ns,
        )

    # -- paths

    def path_create_directory(self, fd: int, path: int, size: int) -> None:
        name = self._memory.path(path, size)
        create_directory(self._table.directory(fd, name), name)

    def path_filestat_set_times(
        self, fd: int, lookup: int, path: int, size: int, access: int, modification: int, flags: int
    ) -> None:
        name = self._memory.path(path, size)
        base = self._table.directory(fd, name)
        set_times(base, name, bool(lookup & SYMLINK_FOLLOW), lambda was: self._times(was, access, modification, flags))

    def path_link(self, fd: int, lookup: int, old: int, old_size: int, to_fd: int, new: int, new_size: int) -> None:
        source, target = self._memory.path(old, old_size), self._memory.path(new, new_size)
        base, to_base = self._table.directory(fd, source), self._table.directory(to_fd, target)
        link(base, source, bool(lookup & SYMLINK_FOLLOW), to_base, target)

    def path_remove_directory(self, fd: int, path: int, size: int) -> None:
        name = self._memory.path(path, size)
        remove_directory(self._table.directory(fd, name), name)

    def path_rename(self, fd: int, old: int, old_size: int, to_fd: int, new: int, new_size: int) -> None:
        source, target = self._memory.path(old, old_size), self._memory.path(new, new_size)
        base, to_base = self._table.directory(fd, source), self._table.directory(to_fd, target)
        rename(base, source, to_base, target)

    def path_symlink(self, old: int, old_size: int, fd: int, new: int, new_size: int) -> None:
        target, name = self._memory.path(old, old_size), self._memory.path(new, new_size)
        symlink(target, self._table.directory(fd, name), name)

    def path_unlink_file(self, fd: int, path: int, size: int) -> None:
        name = self._memory.path(path, size)
        unlink_file(self._table.directory(fd, name), name)


# -- what they do, for both versions of WASI; each raises `WasiError`


def create_directory(base: Descriptor, name: bytes) -> None:
    with _last(base, name) as place:
        if place.name == b".":
            raise WasiError(Errno.EXIST)
        os.mkdir(place.name, dir_fd=place.parent_fd)


def set_times(base: Descriptor, name: bytes, follow: bool, times: Callable[[os.stat_result], tuple[int, int]]) -> None:
    """`times`: of access and modification, in nanoseconds, by what they are."""
    with walk(base, name, follow) as place:
        status = os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False)
        os.utime(place.name, ns=times(status), dir_fd=place.parent_fd, follow_symlinks=False)


def set_own_times(entry: Descriptor, times: Callable[[os.stat_result], tuple[int, int]]) -> None:
    """The same of what is open."""
    try:
        os.utime(entry.host_fd, ns=times(os.fstat(entry.host_fd)))
    except OSError as problem:
        raise from_host(problem) from problem


def link(base: Descriptor, source: bytes, follow: bool, to_base: Descriptor, target: bytes) -> None:
    if target.endswith(b"/"):
        raise WasiError(Errno.NOENT)
    with walk(base, source, follow) as place, _last(to_base, target) as to:
        _check_not_base(place, Errno.PERM)
        _check_not_base(to, Errno.EXIST)
        os.link(place.name, to.name, src_dir_fd=place.parent_fd, dst_dir_fd=to.parent_fd, follow_symlinks=False)


def remove_directory(base: Descriptor, name: bytes) -> None:
    with _last(base, name) as place:
        _check_not_base(place, Errno.INVAL)
        os.rmdir(place.name, dir_fd=place.parent_fd)


def rename(base: Descriptor, source: bytes, to_base: Descriptor, target: bytes) -> None:
    with _last(base, source) as place, _last(to_base, target) as to:
        _check_not_base(place, Errno.INVAL)
        _check_not_base(to, Errno.INVAL)
        if source.endswith(b"/") or target.endswith(b"/"):
            _check_directory(place)
        os.rename(place.name, to.name, src_dir_fd=place.parent_fd, dst_dir_fd=to.parent_fd)


def symlink(target: bytes, base: Descriptor, name: bytes) -> None:
    """A link that would lead out of the folder is refused: no guest could follow it, but others could."""
    if not target or name.endswith(b"/"):
        raise WasiError(Errno.NOENT)
    with _last(base, name) as place:
        _check_not_base(place, Errno.EXIST)
        depth = place.depth
        for part in target.split(b"/"):
            depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
            if depth < 0 or target.startswith(b"/"):
                raise WasiError(Errno.PERM)
        os.symlink(target, place.name, dir_fd=place.parent_fd)


def unlink_file(base: Descriptor, name: bytes) -> None:
    with _last(base, name) as place:
        _check_not_base(place, Errno.ISDIR)
        if name.endswith(b"/"):
            _check_directory(place)
        if stat.S_ISDIR(os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False).st_mode):
            raise WasiError(Errno.ISDIR)
        os.unlink(place.name, dir_fd=place.parent_fd)


def _last(base: Descriptor, path: bytes, follow: bool = False) -> AbstractContextManager[Place]:
    """As `walk`, for what may not be there yet: a slash at the end asks for no directory to walk into."""
    return walk(base, path.rstrip(b"/") or path, follow)


def _check_not_base(place: Place, number: Errno) -> None:
    if place.name == b".":
        raise WasiError(number)


def _check_directory(place: Place) -> None:
    if not stat.S_ISDIR(os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False).st_mode):
        raise WasiError(Errno.NOTDIR)


def set_size(entry: Descriptor, size: int) -> None:
    """Of a file that was opened to be written. Raises `WasiError`."""
    if size >> 63:
        raise WasiError(Errno.INVAL)
    try:
        os.ftruncate(entry.host_fd, size)
    except OSError as problem:
        raise from_host(problem) from problem


def open_to_change(
    base: Descriptor, path: bytes, follow: bool, open_flags: int, writes: bool, appends: bool
) -> Descriptor:
    """Opens a regular file to be written, emptied or created. Raises `WasiError`."""
    if open_flags & DIRECTORY:
        if open_flags & (CREATE | EXCLUSIVE | TRUNCATE):
            raise WasiError(Errno.INVAL)
        open_path(base, path, follow, True).close()
        raise WasiError(Errno.ISDIR)
    exclusive = bool(open_flags & CREATE and open_flags & EXCLUSIVE)
    changes = writes or bool(open_flags & TRUNCATE)
    with _last(base, path, follow and not exclusive) as place:
        how = (os.O_RDWR if changes else os.O_RDONLY) | _NOT_FOLLOWED
        try:
            mode = os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            if not open_flags & CREATE:
                raise
            if path.endswith(b"/"):
                raise WasiError(Errno.ISDIR) from None
            how |= os.O_CREAT | os.O_EXCL
        else:
            if exclusive:
                raise WasiError(Errno.EXIST)
            if stat.S_ISLNK(mode):
                raise WasiError(Errno.LOOP)
            if stat.S_ISDIR(mode):
                if changes:
                    raise WasiError(Errno.ISDIR)
            elif path.endswith(b"/"):
                raise WasiError(Errno.NOTDIR)
            elif not stat.S_ISREG(mode):
                raise WasiError(Errno.ACCES)  # devices, pipes and sockets belong to the host
        host_fd = os.open(place.name, how, 0o666, dir_fd=place.parent_fd)
        try:
            mode = os.fstat(host_fd).st_mode
            is_directory = stat.S_ISDIR(mode)
            if not is_directory and not stat.S_ISREG(mode):
                raise WasiError(Errno.ACCES)
            if open_flags & TRUNCATE:
                os.ftruncate(host_fd, 0)
        except BaseException:
            os.close(host_fd)
            raise
        return Descriptor(host_fd, place.guest_path, is_directory, base.policy, writes, writes and appends)
