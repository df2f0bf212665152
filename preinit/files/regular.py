"""Regular files, and what may stand in the place of one: opening a pipe would wait until somebody writes to it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Opens a file to read it; nothing is waited for. Raises `OSError`, also where something else has that name."""
    number = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return os.fdopen(number, "rb")


def append_regular(path: Path, data: bytes) -> None:
    """Adds bytes to a file, which is made if it is missing. Raises `OSError` as above, also for a link."""
    flags = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags, 0o666)
    with os.fdopen(number, "ab") as stream:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        stream.write(data)


def instead(path: Path) -> str:
    """What stands where a file should, in words; empty where a file is, nothing, or a pipe without a name."""
    try:
        mode = path.stat().st_mode
    except OSError as problem:
        if not path.is_symlink():
            return ""
        return "a link that leads to itself" if problem.errno == errno.ELOOP else "a link that leads nowhere"
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):  # that of a shell's <(...) is nowhere in the file system
        return "a pipe" if os.path.exists(os.path.realpath(path)) else ""  # noqa: PTH110
    return "a socket" if stat.S_ISSOCK(mode) else ""
