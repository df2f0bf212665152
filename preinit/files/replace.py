"""Replacing a file: all or nothing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Puts a file with `data` at `path` in one step; until then what is there stays as it was.

    The mode stays, or is what the umask asks for. Raises `OSError`, also where a device, a pipe or a folder is there.
    """
    mode = None
    if path.exists():
        if not path.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = stat.S_IMODE(path.stat().st_mode)
    partial = path.with_name(f".preinit-{os.urandom(4).hex()}.partial")  # short: file systems have limits
    try:
        # Mode 0o666 less the umask, as for any file that a program makes.
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            write_all(number, data)
        finally:
            os.close(number)
        if mode is not None:
            partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_all(number: int, data: bytes) -> None:
    """Writes all of `data` to a descriptor, which may be a pipe that does not block."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:  # a pipe that whoever started us made non-blocking
            import select

            select.select([], [number], [])
