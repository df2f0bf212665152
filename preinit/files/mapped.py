"""Large inputs: in large pages; or mapped from a copy that nobody else has, so that they need not stay in memory.

The input's own file is not mapped: whoever makes it shorter meanwhile would end this process (SIGBUS of
https://man7.org/linux/man-pages/man2/mmap.2.html), and whoever writes to it would change what is being built. The copy
has no name and is gone when this process is; making it takes less time than reading the file into fresh memory.
`tempfile` would make such a file, too, but says nothing of the room there, and never takes another folder for that.
"""

from __future__ import annotations

import errno
import gc
import mmap
import os
import stat
import sys
from contextlib import suppress
from threading import Lock
from typing import cast
from weakref import WeakSet, finalize, ref

from ..binary import large
from ..binary.encoder import COMPONENT_PREAMBLE, PREAMBLE
from ..binary.mapped import Mapped

#: Bytes of a file from which on it is mapped.
LARGE = 16 << 20

#: The same of a part of one, and how many parts of one file are mapped.
_LARGE_PART, _MOST_PARTS = 1 << 20, 8

#: Some builds of Python lack it.
_CAN_COPY = hasattr(os, "copy_file_range")

_appending = Lock()


def _forked() -> None:
    """In a copy of the process: who held the lock is not there."""
    global _appending
    _appending = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

#: Where a copy may be: the second is on a disk where the first is in memory.
_FOLDERS = ("/tmp", "/var/tmp")  # nothing gets a name there

#: How many times its size has to be free.
_TIMES = 4

#: The copies that are there: each takes room on a disk, and an open file. A build that has ended leaves its own to the
#: garbage collection, which is asked for before there is one more.
_alive: WeakSet[Mapped] = WeakSet()

#: Bytes that are copied by one call.
_PIECE = 1 << 30


def large_copy(path: str | os.PathLike[str]) -> bytes | None:
    """The content of a large module: in large pages; of a larger one, mapped from a copy in the folder that TMPDIR
    names, or one for temporary files.

    None for any other file, and where that can't be done, or would not save memory: whoever reads it then says what is
    wrong.
    """
    if sys.platform != "linux":
        return None
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        if _alive:
            gc.collect()
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size < large.LARGE:
            return None
        begins = os.pread(number, len(PREAMBLE), 0)
        if begins not in (PREAMBLE, COMPONENT_PREAMBLE):
            return None
        return _mapped(number, status.st_size) if status.st_size >= LARGE else _read(number, status.st_size)
    except OSError:
        return None
    finally:
        os.close(number)


def _read(number: int, size: int) -> bytes | None:
    """What an open file holds, in large pages; None where it holds something else just now. Raises `OSError`."""
    found, done = large.new(size), 0
    with memoryview(found) as view:
        while done < size and (got := os.readv(number, [view[done:]])):
            done += got
    if done < size or os.read(number, 1):
        return None
    return cast(bytes, found)


def _mapped(number: int, size: int) -> bytes | None:
    """The mapped copy of what an open file holds; None where there is no good place for it. Raises `OSError`."""
    named = os.environ.get("TMPDIR")
    for folder in (named,) if named else _FOLDERS:
        with suppress(OSError):
            copy = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                if _has_room(copy, size):
                    return _copied(number, copy)
            finally:
                os.close(copy)
    return None


def _copied(number: int, copy: int) -> bytes | None:
    size = 0
    while copied := os.sendfile(copy, number, size, _PIECE):
        size += copied
    if size < LARGE:  # it was made shorter just now
        return None
    found = Mapped(copy, size, access=mmap.ACCESS_COPY)
    found.number = os.dup(copy)
    finalize(found, os.close, found.number)
    found.parts = {}
    _alive.add(found)
    return cast(bytes, found)


def part_of(data: bytes, start: int, end: int) -> bytes:
    """The bytes `start:end`. Of what is mapped, they are mapped, too, if they are many: the system copies them in its
    file to where a page begins. Each takes an open file, so that is done for a few only. For any thread.
    """
    if isinstance(data, large.Large):
        return large.joined([memoryview(data)[start:end]])
    whole = data if isinstance(data, Mapped) else None
    if whole is None or whole.number is None or end - start < _LARGE_PART or not _CAN_COPY:
        return data[start:end]
    with _appending:
        known = whole.parts.get((start, end))
        part = known() if known else None
        if part is None and len(whole.parts) < _MOST_PARTS:
            part = _appended(whole, start, end)
            if part is not None:
                whole.parts[start, end] = ref(part)
    return data[start:end] if part is None else cast(bytes, part)


def _appended(whole: Mapped, start: int, end: int) -> Mapped | None:
    """A part of it, at the end of its file; None where that can't be done."""
    number, place, done = whole.number, start + whole.begins, 0
    assert number is not None
    try:
        size = os.fstat(number).st_size
        begins = -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        try:
            while done < end - start:
                copied = os.copy_file_range(number, number, end - start - done, place + done, begins + done)
                if not copied:
                    raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
                done += copied
            found = Mapped(number, done, access=mmap.ACCESS_COPY, offset=begins)
        except OSError:
            os.ftruncate(number, size)
            raise
    except OSError:  # the disk is full, perhaps, or too many files are open
        return None
    found.number, found.begins, found.owner, found.parts = number, begins, whole, {}
    return found


def _has_room(copy: int, size: int) -> bool:
    """Whether a file is on a disk where much is left: the output, which is as large, may have to go there, too."""
    room = os.fstatvfs(copy)
    if room.f_bavail * room.f_frsize < _TIMES * size:
        return False
    device = os.fstat(copy).st_dev
    where = b" %d:%d " % (os.major(device), os.minor(device))
    # https://docs.kernel.org/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
    with open("/proc/self/mountinfo", "rb") as mounts:
        kinds = [line.partition(b" - ")[2].split()[:1] for line in mounts if where in line.partition(b" - ")[0]]
    return [b"tmpfs"] not in kinds and [b"ramfs"] not in kinds  # whose files are in memory
