"""Large inputs: mapped from a copy that nobody else has, so that they need not stay in memory.

The input's own file is not mapped: whoever makes it shorter meanwhile would end this process (SIGBUS of
https://man7.org/linux/man-pages/man2/mmap.2.html), and whoever writes to it would change what is being built. The copy
has no name and is gone when this process is; making it takes less time than reading the file into fresh memory.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from typing import cast

from ..binary.encoder import PREAMBLE
from ..binary.mapped import Mapped

#: Bytes of a file from which on it is mapped.
LARGE = 16 << 20

#: Bytes that are copied by one call.
_PIECE = 1 << 30


def mapped_copy(path: str | os.PathLike[str]) -> bytes | None:
    """The content of a large module, mapped from a copy in the folder that TMPDIR names.

    None for any other file, and where that can't be done: whoever reads it then says what is wrong.
    """
    if sys.platform != "linux":
        return None
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size < LARGE:
            return None
        return _mapped(number) if os.pread(number, len(PREAMBLE), 0) == PREAMBLE else None
    except OSError:  # there is no room, no such folder, or a file system that can't
        return None
    finally:
        os.close(number)


def _mapped(number: int) -> bytes:
    """The mapped copy of what an open file holds. Raises `OSError`."""
    folder = os.environ.get("TMPDIR") or "/tmp"  # nothing gets a name there
    copy = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        size = 0
        while copied := os.sendfile(copy, number, size, _PIECE):
            size += copied
        return cast(bytes, Mapped(copy, size, access=mmap.ACCESS_COPY))
    finally:
        os.close(copy)
