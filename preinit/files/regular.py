"""Regular files, and what may stand in the place of one: opening a pipe would wait until somebody writes to it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Opens a file to read it; nothing is waited for. Raises `OSError`, also where something else has that name."""
    number = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return os.fdopen(number, "rb")


#: More bytes than any module has that engines take.
MOST_MODULE = 4 << 30

#: Bytes of a pipe that are read at once.
_PIECE = 1 << 20


def read_bounded(path: str | os.PathLike[str], largest: int, waits: bool = False) -> bytes:
    """The bytes of a file, or of a pipe without a name, as that of a shell's <(...).

    Raises `OSError` where there are more than `largest`, and for what may never end, or never begin: a device, and,
    unless `waits`, a pipe with a name, to which nobody may write.
    """
    flags = ("O_CLOEXEC", "O_BINARY") if waits else ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    number = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    try:
        status = os.fstat(number)
        _check_ends(path, status, waits)
        if stat.S_ISFIFO(status.st_mode):
            os.set_blocking(number, True)
    except BaseException:
        os.close(number)
        raise
    with os.fdopen(number, "rb") as stream:
        if status.st_size > largest:
            raise too_long(largest)
        parts = [stream.read(status.st_size + 1)]
        total = len(parts[0])
        while total <= largest and (part := stream.read1(_PIECE)):
            parts.append(part)
            total += len(part)
    if total > largest:
        raise too_long(largest)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_ends(path: str | os.PathLike[str], status: os.stat_result, waits: bool) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISFIFO(mode) and not waits and instead(path):
        raise OSError(errno.EINVAL, "it is a pipe, to which nobody may write")
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and status.st_rdev != os.stat(os.devnull).st_rdev):
        raise OSError(errno.EINVAL, "it is a device, and no file")


def too_long(largest: int) -> OSError:
    """For what holds more bytes than that."""
    return OSError(errno.EINVAL, f"it has more than {largest:,} bytes")


def append_regular(path: Path, data: bytes) -> None:
    """Adds bytes to a file, which is made if it is missing. Raises `OSError` as above, also for a link."""
    flags = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags, 0o666)
    with os.fdopen(number, "ab") as stream:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        stream.write(data)


def instead(path: str | os.PathLike[str]) -> str:
    """What stands where a file should, in words; empty where a file is, nothing, or a pipe without a name."""
    try:
        mode = os.stat(path).st_mode
    except OSError as problem:
        if not os.path.islink(path):
            return ""
        return "a link that leads to itself" if problem.errno == errno.ELOOP else "a link that leads nowhere"
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):  # that of a shell's <(...) is nowhere in the file system
        return "a pipe" if os.path.exists(os.path.realpath(path)) else ""
    return "a socket" if stat.S_ISSOCK(mode) else ""
