"""Locks on files, which the system lets go of when a process ends, however it ends."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(number: int) -> bool:
    """Locks an open file for as long as it is open here; False if another process has it, or if that can't be done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


#: Seconds that a new file may be there before its owner has locked it.
_FRESH = 60.0


def remove_if_left(path: str, fresh: float = _FRESH) -> bool:
    """Removes a file that is locked for as long as its owner lives; False if it is not that of a dead process.

    `fresh`: seconds for which one that is not locked is left alone.
    """
    flags = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
    with suppress(OSError):
        number = os.open(path, os.O_RDWR | flags)
        try:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode) or (fresh and time.time() - status.st_mtime < fresh):
                return False
            if not lock(number) or not os.fstat(number).st_nlink:
                return False  # held, or removed by its owner just now
            os.unlink(path)
            return True
        finally:
            os.close(number)
    return False
