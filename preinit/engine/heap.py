"""Memory that was freed: the C library keeps it for later, so that the peak of a build would be higher than its need.

Only of glibc is it known how to ask for it: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

#: `M_MMAP_THRESHOLD` of https://man7.org/linux/man-pages/man3/mallopt.3.html
_MMAP_THRESHOLD = -3

#: Bytes from which on an allocation gets pages of its own, which go back when it is freed. By default that is as much
#: as the largest one that was freed, up to 32 MiB: whatever is smaller then leaves holes.
_LARGE = 1 << 18


@cache
def _library() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None


def give_back() -> None:
    """Gives what is free back to the system: worth it where many megabytes in small parts were freed."""
    library = _library()
    if library:
        library.malloc_trim(0)


def give_back_large() -> None:
    """From now on, gives large parts back as soon as they are freed: for a process of which one build is the end."""
    library = _library()
    if library:
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
