"""Replacing a file: all or nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from functools import cache

from ..binary.mapped import Mapped, in_turn
from .locks import lock, remove_if_left

#: What a file is called that is being written.
_PARTIAL = re.compile(r"\.preinit-[0-9a-f]{8}\.partial")


class Partial:
    """A file beside `target` that takes its place in one step, or is discarded; until then what is there stays.

    The mode stays, or is what the umask asks for, unless it is given. All raise `OSError`; making one, also where a
    device, a pipe or a folder is there.
    """

    def __init__(self, target: str | os.PathLike[str], mode: int | None = None) -> None:
        self._target = path = os.fspath(target)
        self._mode = mode
        folder = os.path.dirname(path)
        if os.path.exists(path):
            if not os.path.isfile(path):
                raise OSError(errno.EINVAL, "it is not a regular file")
            if not os.access(path, os.W_OK):
                problem = errno.EROFS if _is_read_only(path) else errno.EACCES
                raise OSError(problem, os.strerror(problem))
            self._mode = mode or stat.S_IMODE(os.stat(path).st_mode)
        _remove_left(folder)
        self._path = os.path.join(folder, f".preinit-{os.urandom(4).hex()}.partial")  # short: file systems have limits
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        # Mode 0o666 less the umask, as for any file that a program makes.
        self._number = os.open(self._path, flags, 0o666 if mode is None else 0o600)
        self._held = lock(self._number)  # until it is closed, nobody takes it for one of a dead run

    def write(self, *pieces: bytes | memoryview) -> None:
        """Writes what comes next."""
        write_all(self._number, *pieces)

    def commit(self) -> None:
        """Puts it at the target."""
        if self._mode is not None:
            os.chmod(self._path, self._mode)
        if self._held:
            os.replace(self._path, self._target)
        self._close()
        if not self._held:  # on Windows, an open file has to keep its name
            os.replace(self._path, self._target)

    def discard(self) -> None:
        """Removes it."""
        self._close()
        with suppress(FileNotFoundError):
            os.unlink(self._path)

    def _close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)


def _is_read_only(path: str) -> bool:
    """Whether nothing can be written to the file system of a file."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def replace_file(target: str | os.PathLike[str], *pieces: bytes | memoryview, mode: int | None = None) -> None:
    """Puts a file with those `pieces` at `target` in one step, as `Partial` does. Raises `OSError`."""
    partial = Partial(target, mode)
    try:
        partial.write(*pieces)
        partial.commit()
    except BaseException:
        partial.discard()
        raise


@cache
def _remove_left(folder: str) -> None:
    """Removes what runs left in a folder that died while they wrote; once in a process, for folders may be large."""
    with suppress(OSError), os.scandir(folder or os.curdir) as entries:
        for name in [entry.name for entry in entries if _PARTIAL.fullmatch(entry.name)]:
            remove_if_left(os.path.join(folder, name))


def write_all(number: int, *pieces: bytes | memoryview) -> None:
    """Writes all of the `pieces` to a descriptor, which may be a pipe that does not block."""
    for piece in pieces:
        view = memoryview(piece)
        for part in in_turn(view[_sent(number, view) :]):
            _write(number, part)


def _write(number: int, view: memoryview) -> None:
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:  # a pipe that whoever started us made non-blocking
            import select

            select.select([], [number], [])


def _sent(number: int, view: memoryview) -> int:
    """How many of the bytes the system has copied from the file from which they are mapped, in half of the time."""
    held, done = view.obj, 0
    if isinstance(held, Mapped) and held.number is not None:
        start = held.place_of(view)
        with suppress(OSError):  # writing them will tell what is wrong
            while copied := os.sendfile(number, held.number, start + done, len(view) - done):
                done += copied
    return done
