"""The functions that take a path, relative to an open directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...engine.values import RawFrame
from .abi import APPEND, CREATE, DIRECTORY, EXCLUSIVE, SYMLINK_FOLLOW, TRUNCATE, Errno, FileType, Rights, WasiError
from .files import Descriptor, Opening, link_target, open_path, pack_metadata, path_metadata
from .memory import GuestMemory
from .table import Table

#: Files that are opened of which it is noted where: 0.4 ms for each.
_MOST_TRACED = 200


class PathFunctions:
    """A method has the name and the parameters of the WASI function; it returns nothing or raises `WasiError`."""

    def __init__(self, memory: GuestMemory, table: Table, here: Callable[[str], Sequence[RawFrame]]) -> None:
        self._memory = memory
        self._table = table
        self._here = here
        self._traced = 0

    def path_filestat_get(self, fd: int, flags: int, path: int, size: int, result: int) -> None:
        name = self._memory.path(path, size)
        seen = path_metadata(self._table.directory(fd, name), name, bool(flags & SYMLINK_FOLLOW))
        self._memory.write(result, pack_metadata(seen))

    def path_open(
        self,
        fd: int,
        flags: int,
        path: int,
        size: int,
        open_flags: int,
        rights: int,
        inheriting: int,
        fd_flags: int,
        result: int,
    ) -> None:
        name = self._memory.path(path, size)
        base = self._table.directory(fd, name, opens=True)
        follow = bool(flags & SYMLINK_FOLLOW)
        writes = bool(rights & Rights.FD_WRITE or open_flags & TRUNCATE)
        changes = writes or bool(open_flags & CREATE)
        if changes and not base.policy.writable:
            _refuse_changes(base, name, follow, open_flags, writes)
        self._table.check_room()
        if changes and base.policy.writable:
            from .changes import open_to_change

            self._memory.span(result, 4)  # nothing is created for a call that fails
            to_write = bool(rights & Rights.FD_WRITE)
            opened = open_to_change(base, name, follow, open_flags, to_write, bool(fd_flags & APPEND))
        else:
            opened = open_path(base, name, follow, bool(open_flags & DIRECTORY))
        folder = (fd, b"") if base.opening is None else (base.opening.folder, base.opening.path + b"/")
        asked = (open_flags, rights, inheriting, fd_flags)
        opened.opening = Opening(folder[0], flags, folder[1] + name, *asked)
        if self._traced < _MOST_TRACED:
            self._traced += 1
            opened.opened_in = self._here("path_open")
        self._memory.write_u32(result, self._table.add(opened))

    def path_readlink(self, fd: int, path: int, path_size: int, buffer: int, size: int, result: int) -> None:
        name = self._memory.path(path, path_size)
        target = link_target(self._table.directory(fd, name), name)[:size]
        self._memory.write(buffer, target)
        self._memory.write_u32(result, len(target))


def _refuse_changes(base: Descriptor, name: bytes, follow: bool, open_flags: int, writes: bool) -> None:
    """The errno that opening to write or to create has in a read-only file system; nothing where nothing would change.

    A missing file is NOENT unless it is to be created: programs try several places, and fall back to reading on ROFS.
    """
    try:
        seen = path_metadata(base, name, follow)
    except WasiError as problem:
        if problem.number == Errno.NOENT and open_flags & CREATE:
            raise WasiError(Errno.ROFS) from None
        raise
    if open_flags & CREATE and open_flags & EXCLUSIVE:
        raise WasiError(Errno.EXIST)
    if writes:
        raise WasiError(Errno.ISDIR if seen.type == FileType.DIRECTORY else Errno.ROFS)
