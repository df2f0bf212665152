"""What is in the cache, and how it is emptied.

Only what preinit put there is counted and removed: the folder may be one that holds other things, too.
No link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..tuples import NamedTuple
from .cache import ENTRY
from .marks import FOLDER as RUNNING

#: Folder -> what preinit keeps in it.
KINDS = {
    "modules": "compiled modules",
    "profiles": "functions that initializers called",
    "valid": "outputs that were found valid",
}


class Held(NamedTuple):
    """How much of one kind is in the cache."""

    kind: str
    files: int
    #: Bytes.
    size: int


def contents(folder: Path) -> list[Held]:
    """What is in the cache `folder`, one value for each of `KINDS`; nothing is written. Raises `OSError`."""
    return [_held(kind, (path.lstat() for path in _files(folder, kind))) for kind in KINDS]


def clear(folder: Path) -> list[Held]:
    """Removes all of that and says what it was. Raises `OSError` for what can't be removed."""
    removed = [_held(kind, list(_removed(folder, kind))) for kind in KINDS]
    list(_removed(folder, RUNNING))  # marks of entries that are no more
    return removed


def _held(kind: str, found: Iterator[os.stat_result] | list[os.stat_result]) -> Held:
    sizes = [status.st_size for status in found]
    return Held(kind, len(sizes), sum(sizes))


def _removed(folder: Path, kind: str) -> Iterator[os.stat_result]:
    for path in _files(folder, kind):
        status = path.lstat()
        path.unlink(missing_ok=True)
        yield status
    if not _is_folder(folder / kind):
        return
    if not any((folder / kind).iterdir()):
        (folder / kind).rmdir()


def _files(folder: Path, kind: str) -> list[Path]:
    """The files of that kind."""
    place = folder / kind
    if not _is_folder(place):
        return []
    return [path for path in place.iterdir() if ENTRY.match(path.name) and not _is_folder(path)]


def _is_folder(path: Path) -> bool:
    """Whether it is one itself, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
