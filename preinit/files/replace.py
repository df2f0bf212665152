"""Replacing a file: all or nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from functools import cache

from ..binary.mapped import in_turn
from .locks import lock, remove_if_left

#: What a file is called that is being written.
_PARTIAL = re.compile(r"\.preinit-[0-9a-f]{8}\.partial")


def replace_file(target: str | os.PathLike[str], *pieces: bytes | memoryview) -> None:
    """Puts a file with those `pieces` at `target` in one step; until then what is there stays as it was.

    The mode stays, or is what the umask asks for. Raises `OSError`, also where a device, a pipe or a folder is there.
    """
    path, mode = os.fspath(target), None
    folder = os.path.dirname(path)
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = stat.S_IMODE(os.stat(path).st_mode)
    _remove_left(folder)
    partial = os.path.join(folder, f".preinit-{os.urandom(4).hex()}.partial")  # short: file systems have limits
    try:
        # Mode 0o666 less the umask, as for any file that a program makes.
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            held = lock(number)  # until it is closed, nobody takes it for one of a dead run
            write_all(number, *pieces)
            if mode is not None:
                os.chmod(partial, mode)
            if held:
                os.replace(partial, path)
        finally:
            os.close(number)
        if not held:  # on Windows, an open file has to keep its name
            os.replace(partial, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
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
        for view in in_turn(piece):
            _write(number, view)


def _write(number: int, view: memoryview) -> None:
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:  # a pipe that whoever started us made non-blocking
            import select

            select.select([], [number], [])
