"""Much memory at once, in large pages: where they are written to first, the system took 2.3 us for each page of 4 KiB,
and 350 us for one of 2 MiB, which stands for 512 of them. https://docs.kernel.org/admin-guide/mm/transhuge.html
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from .mapped import Buffer

#: Bytes from which on that is worth it: a part of a large page may be left over at both ends.
LARGE = 4 << 20

#: How the system is asked for them; None where it has none.
ADVICE: int | None = getattr(mmap, "MADV_HUGEPAGE", None) if sys.platform == "linux" else None

#: Nobody but this process has it.
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}


class Large(Buffer):
    """Memory in large pages. Once it is written, it stands for bytes."""


def new(size: int) -> Large:
    """Memory of so many bytes, which are zero. Raises `MemoryError`."""
    try:
        made = Large(-1, size, **_PRIVATE)
    except OSError as problem:
        raise MemoryError from problem
    if ADVICE is not None:
        with suppress(OSError):  # the system was built without them
            made.madvise(ADVICE)
    return made


def shrink(made: Large, size: int) -> bool:
    """Gives back what is behind the first `size` bytes; False where that can't be done."""
    try:
        made.resize(size)
    except (OSError, BufferError, SystemError, ValueError):
        return False
    return True


def joined(pieces: Sequence[bytes | memoryview]) -> bytes:
    """All of them in one, for who reads that once and lets go of it. Raises `MemoryError`."""
    size = sum(map(len, pieces))
    if size < LARGE or ADVICE is None:
        return b"".join(pieces)
    made = new(size)
    at = 0
    for piece in pieces:
        made[at : at + len(piece)] = piece
        at += len(piece)
    return cast(bytes, made)
