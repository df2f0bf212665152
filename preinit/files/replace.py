"""Replacing a file: all or nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from .locks import lock, remove_if_left

#: What a file is called that is being written.
_PARTIAL = re.compile(r"\.preinit-[0-9a-f]{8}\.partial")


def replace_file(path: Path, *pieces: bytes | memoryview) -> None:
    """Puts a file with those `pieces` at `path` in one step; until then what is there stays as it was.

    The mode stays, or is what the umask asks for. Raises `OSError`, also where a device, a pipe or a folder is there.
    """
    mode = None
    if path.exists():
        if not path.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = stat.S_IMODE(path.stat().st_mode)
    _remove_left(path.parent)
    partial = path.with_name(f".preinit-{os.urandom(4).hex()}.partial")  # short: file systems have limits
    try:
        # Mode 0o666 less the umask, as for any file that a program makes.
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            held = lock(number)  # until it is closed, nobody takes it for one of a dead run
            write_all(number, *pieces)
            if mode is not None:
                partial.chmod(mode)
            if held:
                partial.replace(path)
        finally:
            os.close(number)
        if not held:  # on Windows, an open file has to keep its name
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@cache
def _remove_left(folder: Path) -> None:
    """Removes what runs left in a folder that died while they wrote; once in a process, for folders may be large."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _PARTIAL.fullmatch(entry.name)]:
            remove_if_left(folder / name)


def write_all(number: int, *pieces: bytes | memoryview) -> None:
    """Writes all of the `pieces` to a descriptor, which may be a pipe that does not block."""
    for piece in pieces:
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(number, view) :]
            except BlockingIOError:  # a pipe that whoever started us made non-blocking
                import select

                select.select([], [number], [])
