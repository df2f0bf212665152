"""The pages of large memories: which were touched, for the others are zero and need not be read; and large ones.

https://docs.kernel.org/admin-guide/mm/pagemap.html
"""

from __future__ import annotations

import ctypes
import mmap
import re
import sys

from ..binary import large

#: Below this many bytes, reading is faster than asking.
LARGE = 256 << 20

#: An entry has 8 bytes; bits 63 (present) and 62 (swapped) are in the last one.
_ENTRY = 8
_TOUCHED = re.compile(rb"[\x40-\xff]+")

#: Entries that are read at once.
_CHUNK = 1 << 20


def touched_extents(address: int, size: int) -> list[tuple[int, int]] | None:
    """The ranges of `address:address+size` outside of which nothing was ever written, relative to `address`.

    None where that can't be known: then everything must be read.
    """
    if size < LARGE or sys.platform != "linux" or address % mmap.PAGESIZE:
        return None
    extents: list[tuple[int, int]] = []
    pages = -(-size // mmap.PAGESIZE)
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as stream:
            stream.seek(address // mmap.PAGESIZE * _ENTRY)
            for first in range(0, pages, _CHUNK):
                wanted = min(_CHUNK, pages - first) * _ENTRY
                entries = stream.read(wanted)
                if len(entries) != wanted:
                    return None
                for match in _TOUCHED.finditer(entries[_ENTRY - 1 :: _ENTRY]):
                    start, end = ((first + place) * mmap.PAGESIZE for place in match.span())
                    if extents and extents[-1][1] == start:
                        extents[-1] = (extents[-1][0], min(end, size))
                    else:
                        extents.append((start, min(end, size)))
    except OSError:
        return None
    return extents


def prefer_large(address: int, size: int) -> None:
    """Has the system take large pages for memory that will be written to from end to end, see `binary.large`."""
    if large.ADVICE is None or size < large.LARGE:
        return
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (address + size) // mmap.PAGESIZE * mmap.PAGESIZE
    advise = ctypes.CDLL(None).madvise  # where it is refused, all is as it was
    advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), large.ADVICE)
