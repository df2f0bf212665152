"""Compiled code, kept between builds in a folder that only its owner can write to.

Compiled code is run without a check: a folder that somebody else could write to is not used. A folder that can't be
made is not an error: the build is slower, that is all.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..errors import in_words, quoted
from .locks import lock, remove_if_left

VARIABLE = "PREINIT_CACHE_DIR"

#: The file that tells the engine where it keeps compiled code.


def default_folder() -> Path | None:
    """$PREINIT_CACHE_DIR, else the platform's place for caches; None if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) / "preinit" / "cache" if local else None
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "preinit"
    home = os.environ.get("HOME")
    if not home:
        return None
    return Path(home) / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "preinit"


def usable(folder: Path) -> Path | None:
    """The folder, made if it is missing, by the name that was checked; None if it can't be used."""
    found = examined(folder)
    return found if isinstance(found, Path) else None


def examined(folder: Path) -> Path | str:
    """The same; instead of None, why not, in words."""
    try:
        folder = folder.absolute()
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        if missing:  # nothing is made in a folder of somebody else: with `sudo -E`, HOME is another user's
            problem = _others_of(missing[-1].parent.resolve())
            if problem:
                return problem
        for place in reversed(missing):
            place.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() and os.name == "posix":
            return f"{quoted(str(folder))} is a link"
        folder = folder.resolve()  # a link on the way to it may lead elsewhere later
        problem = _not_ours_alone(folder)
        if not problem and not os.access(folder, os.W_OK):
            return f"{quoted(str(folder))} can't be written"
        return problem or folder
    except OSError as problem:
        return f"{quoted(str(folder))} can't be used: {in_words(problem)}"


#: Entries of each kind that are kept, and bytes of them: those that were used last.
_MOST = {"profiles": 64, "modules": 64, "valid": 4096}
_MOST_BYTES = 1 << 30

#: Bytes of one entry: CPython, compiled as a whole, has 370 MB.
_LARGEST = 512 << 20

#: How the name of an entry starts.
ENTRY = re.compile("[0-9a-f]{64}")

Kind = Literal["profiles", "modules", "valid"]


def folder_of(named: str | None) -> Path | None:
    """The folder of that name, or else the user's; None if it can't be used."""
    found = examined_of(named)
    return found if isinstance(found, Path) else None


def examined_of(named: str | None) -> Path | str:
    """The same; instead of None, why not, in words."""
    folder = Path(named) if named else default_folder()
    return examined(folder) if folder else f"there is no home folder, and ${VARIABLE} names none"


def has_entry(folder: Path, kind: Kind, name: str) -> bool:
    """Whether there is an entry of that name in a folder that is `usable`."""
    return read_entry(folder, kind, name) is not None


def read_entry(folder: Path, kind: Kind, name: str) -> bytes | None:
    """The entry of that name in a folder that is `usable`; None if there is none, or if it can't be read."""
    try:
        place = own_folder(folder / kind)
        data = _read(place / name, _LARGEST) if place else None
    except OSError:
        return None
    if place and data is not None:
        with suppress(OSError):  # a folder that can only be read is as good
            os.utime(place / name)  # used last
    return data


def remove_entry(folder: Path, kind: Kind, name: str) -> None:
    """Forgets an entry, if there is one in a folder that is `usable`."""
    with suppress(OSError):
        place = own_folder(folder / kind)
        if place:
            (place / name).unlink()


def write_entry(folder: Path, kind: Kind, name: str, *pieces: bytes) -> None:
    """Keeps an entry, and forgets those that were used least recently. What can't be written is not kept."""
    try:
        place = own_folder(folder / kind)
        if place is None or sum(map(len, pieces)) > min(_LARGEST, _MOST_BYTES):
            return
        _write(place / name, pieces)
        names = [path for path in place.iterdir() if ENTRY.match(path.name)]
        found = [(p.lstat(), p) for p in names if ENTRY.fullmatch(p.name) or not remove_if_left(p)]
        kept = sorted(((s.st_mtime, s.st_size, p) for s, p in found if not stat.S_ISDIR(s.st_mode)), reverse=True)
        total = 0
        for number, (_, size, path) in enumerate(kept, 1):
            total += size
            if number > _MOST[kind] or total > _MOST_BYTES:
                path.unlink(missing_ok=True)
    except OSError:
        return


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    partial = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        # A new file, not what a link leads to; whatever the umask, one that only its owner can write is read again.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as stream:
            held = lock(stream.fileno())  # until it is closed, nobody takes it for one of a dead process
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            if held:
                partial.replace(path)
        if not held:  # on Windows, an open file has to keep its name
            partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _read(path: Path, most: int) -> bytes | None:
    """A regular file of the user's own with at most `most` bytes; None for anything else that has that name.

    Nothing is waited for, as opening a pipe would, and no link is followed.
    """
    try:
        number = os.open(path, os.O_RDONLY | _READ_FLAGS)
    except OSError:
        return None
    with os.fdopen(number, "rb") as stream:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most or not _only_we_write(status):
            return None
        return stream.read(most)


_READ_FLAGS = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def own_folder(folder: Path) -> Path | None:
    """A folder in one that is `usable`, made if it is missing; None if others can write to it, or if it is a link."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    return folder if stat.S_ISDIR(status.st_mode) and _only_we_write(status) else None


def _only_we_write(status: os.stat_result) -> bool:
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _not_ours_alone(folder: Path) -> str:
    """Who else can write to the folder, or put another one in its place. Empty: nobody."""
    if os.name != "posix":
        return ""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        return f"{quoted(str(folder))} belongs to another user"
    if status.st_mode & 0o022 and stat.S_ISDIR(status.st_mode):
        return f"{quoted(str(folder))} can be written by others"
    return _others_of(folder)


def _others_of(folder: Path) -> str:
    """Who else can put something in the place of a folder in this one, or of one above. Empty: nobody."""
    if os.name != "posix":
        return ""
    for place in (folder, *folder.parents):
        status = place.stat()
        if not stat.S_ISDIR(status.st_mode):
            return f"{quoted(str(place))} is not a folder"
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            return f"{quoted(str(place))} can be written by others"
        if status.st_uid not in (0, os.geteuid()):
            return f"{quoted(str(place))} belongs to another user"
    return ""
