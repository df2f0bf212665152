"""Marks: which entries of the cache are run now. Code that ended its process leaves one, and is not run again.

A mark is a file that its process holds a lock on, and removes when all went well. A mark that nobody holds is that of
a process that died. Where the system has no such locks, there are no marks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from .cache import Name, own_folder
from .locks import lock, remove_if_left

#: The folder of marks in the cache.
FOLDER = "running"

#: Seconds after which a file that never became a mark is removed.
_OLD = 86_400.0


@contextmanager
def running(folder: Name | None, names: Iterable[str]) -> Iterator[None]:
    """While code of these entries runs. `folder`: the cache, which is `usable`, or None for no cache.

    What can't be marked is run all the same.
    """
    held = [mark for name in names if (mark := _mark(folder, name))] if folder else []
    try:
        yield
    finally:
        for number, path in held:
            with suppress(OSError):
                os.unlink(path)  # before it is let go: one that is found without its owner is that of a dead process
            with suppress(OSError):
                os.close(number)


def _mark(folder: Name, name: str) -> tuple[int, str] | None:
    try:
        place = own_folder(os.path.join(folder, FOLDER))
        if place is None:
            return None
        fresh = os.path.join(place, f"new.{os.urandom(8).hex()}")
        number = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    path = os.path.join(place, f"{name}.{os.urandom(8).hex()}")
    try:
        if lock(number):
            os.rename(fresh, path)  # from now on others see it: it is locked already
            return number, path
    except OSError:
        pass
    with suppress(OSError):
        os.close(number)
    with suppress(OSError):
        os.unlink(fresh)
    return None


def died(folder: Name, name: str) -> bool:
    """Whether a process died while it ran code of that entry. It is said once: the mark is removed."""
    found = False
    try:
        place = own_folder(os.path.join(folder, FOLDER))
        entries = list(os.scandir(place)) if place else []
    except OSError:
        return False
    for entry in entries:
        with suppress(OSError):
            if entry.name.startswith(f"{name}."):
                found |= remove_if_left(entry.path, 0.0)
            elif entry.name.startswith("new.") and time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD:
                os.unlink(entry.path)
    return found
