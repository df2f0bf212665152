"""Compiled code, kept between builds in a folder that only its owner can write to.

Compiled code is run without a check: a folder that somebody else could write to is not used. A folder that can't be
made is not an error: the build is slower, that is all.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Literal

from ..binary import large
from ..binary.large import Large
from ..errors import in_words, quoted
from ..tuples import NamedTuple
from .locks import lock, remove_if_left

VARIABLE = "PREINIT_CACHE_DIR"

#: The name of a file or folder. On the path of every build, that is a text: importing `pathlib` takes too long there.
Name = str | os.PathLike[str]


class Examined(NamedTuple):
    """A folder by the name that was checked, or None, and then why it can't be used, in words."""

    folder: str | None
    problem: str = ""


def default_folder() -> str | None:
    """$PREINIT_CACHE_DIR, else the platform's place for caches; None if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return os.path.join(local, "preinit", "cache") if local else None
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return os.path.join(base, "preinit")
    home = os.environ.get("HOME")
    if not home:
        return None
    return os.path.join(home, "Library/Caches" if sys.platform == "darwin" else ".cache", "preinit")


def usable(folder: Name) -> str | None:
    """The folder, made if it is missing, by the name that was checked; None if it can't be used."""
    return examined(folder).folder


def examined(named: Name) -> Examined:
    """The same; where it can't be used, why not."""
    folder = os.fspath(named)
    try:
        folder = _absolute(folder)  # the current folder may be gone
        if os.path.islink(folder) and os.name == "posix":
            return Examined(None, f"{quoted(folder)} is a link")
        missing = [place for place in _with_parents(folder) if not os.path.exists(place)]
        if missing:  # nothing is made in a folder of somebody else: with `sudo -E`, HOME is another user's
            problem = _others_of(os.path.realpath(os.path.dirname(missing[-1])))
            if problem:
                return Examined(None, problem)
        for place in reversed(missing):
            _make(place)
        if os.path.islink(folder) and os.name == "posix":  # meanwhile
            return Examined(None, f"{quoted(folder)} is a link")
        folder = os.path.realpath(folder)  # a link on the way to it may lead elsewhere later
        problem = _not_ours_alone(folder)
        if not problem and not os.access(folder, os.W_OK):
            problem = f"{quoted(folder)} can't be written"
        return Examined(None, problem) if problem else Examined(folder)
    except OSError as caught:
        return Examined(None, f"{quoted(folder)} can't be used: {in_words(caught)}")


def _absolute(folder: str) -> str:
    """Without `.`, and without slashes at the end: behind these, the system follows a link."""
    drive, rest = os.path.splitdrive(os.path.join(os.getcwd() if not os.path.isabs(folder) else "", folder))
    parts = rest.replace(os.path.altsep or os.path.sep, os.path.sep).split(os.path.sep)
    return f"{drive}{os.path.sep}{os.path.sep.join(part for part in parts if part not in ('', '.'))}"


def _with_parents(folder: str) -> Iterator[str]:
    """The folder, and all above it."""
    yield folder
    while (above := os.path.dirname(folder)) != folder:
        yield above
        folder = above


def _make(folder: str) -> None:
    """Makes a folder of ours, if there is none. Raises `OSError`, also where something else has that name."""
    try:
        os.mkdir(folder, 0o700)
    except OSError:  # some systems say first that nothing can be written there
        if not os.path.isdir(folder):
            raise


#: Entries of each kind that are kept, and bytes of them: those that were used last.
_MOST = {"profiles": 64, "modules": 64, "valid": 4096}
_MOST_BYTES = 1 << 30

#: Bytes of one entry: CPython, compiled as a whole, has 370 MB.
_LARGEST = 512 << 20

#: Bytes of one that are much.
_MUCH = 1 << 20

#: How the name of an entry starts.
ENTRY = re.compile("[0-9a-f]{64}")

Kind = Literal["profiles", "modules", "valid"]


def folder_of(named: str | None) -> str | None:
    """The folder of that name, or else the user's; None if it can't be used."""
    return examined_of(named).folder


def examined_of(named: str | None) -> Examined:
    """The same; where it can't be used, why not."""
    folder = named or default_folder()
    return examined(folder) if folder else Examined(None, f"there is no home folder, and ${VARIABLE} names none")


def has_entry(folder: Name, kind: Kind, name: str) -> bool:
    """Whether there is an entry of that name in a folder that is `usable`."""
    return read_entry(folder, kind, name) is not None


def read_entry(folder: Name, kind: Kind, name: str) -> bytes | None:
    """The entry of that name in a folder that is `usable`; None if there is none, or if it can't be read."""
    data = read_large_entry(folder, kind, name)
    return data if data is None or isinstance(data, bytes) else data[:]


def read_large_entry(folder: Name, kind: Kind, name: str) -> bytes | Large | None:
    """The same; in large pages, where it has many bytes."""
    try:
        place = own_folder(os.path.join(folder, kind))
        data = _read(os.path.join(place, name), _LARGEST) if place else None
    except OSError:
        return None
    if place and data is not None:
        with suppress(OSError):  # a folder that can only be read is as good
            os.utime(os.path.join(place, name))  # used last
    return data


def remove_entry(folder: Name, kind: Kind, name: str) -> None:
    """Forgets an entry, if there is one in a folder that is `usable`."""
    with suppress(OSError):
        place = own_folder(os.path.join(folder, kind))
        if place:
            os.unlink(os.path.join(place, name))


def write_entry(folder: Name, kind: Kind, name: str, *pieces: bytes | memoryview) -> None:
    """Keeps an entry, and forgets those that were used least recently. What can't be written is not kept."""
    try:
        place = own_folder(os.path.join(folder, kind))
        if place is None or sum(map(len, pieces)) > min(_LARGEST, _MOST_BYTES):
            return
        _write(os.path.join(place, name), pieces)
        with os.scandir(place) as entries:
            names = [(entry.name, entry.path) for entry in entries if ENTRY.match(entry.name)]
        found = [(os.lstat(p), p) for other, p in names if ENTRY.fullmatch(other) or not remove_if_left(p)]
        kept = sorted(((s.st_mtime, s.st_size, p) for s, p in found if not stat.S_ISDIR(s.st_mode)), reverse=True)
        total = 0
        for number, (_, size, path) in enumerate(kept, 1):
            total += size
            if number > _MOST[kind] or total > _MOST_BYTES:
                with suppress(FileNotFoundError):
                    os.unlink(path)
    except OSError:
        return


def _write(path: str, pieces: Iterable[bytes | memoryview]) -> None:
    partial = f"{path}.{os.urandom(8).hex()}"
    try:
        # A new file, not what a link leads to; whatever the umask, one that only its owner can write is read again.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as stream:
            held = lock(stream.fileno())  # until it is closed, nobody takes it for one of a dead process
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            if held:
                os.replace(partial, path)
        if not held:  # on Windows, an open file has to keep its name
            os.replace(partial, path)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _read(path: str, most: int) -> bytes | Large | None:
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
        if status.st_size < _MUCH:
            return stream.read(most)
        found = large.new(status.st_size)
        return found if stream.readinto(found) == status.st_size else None  # nobody changes what is there


_READ_FLAGS = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def own_folder(folder: str) -> str | None:
    """A folder in one that is `usable`, made if it is missing; None if others can write to it, or if it is a link."""
    _make(folder)
    status = os.lstat(folder)
    return folder if stat.S_ISDIR(status.st_mode) and _only_we_write(status) else None


def _only_we_write(status: os.stat_result) -> bool:
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _not_ours_alone(folder: str) -> str:
    """Who else can write to the folder, or put another one in its place. Empty: nobody."""
    if os.name != "posix":
        return ""
    status = os.stat(folder)
    if status.st_uid != os.geteuid():
        return f"{quoted(folder)} belongs to another user"
    if status.st_mode & 0o022 and stat.S_ISDIR(status.st_mode):
        return f"{quoted(folder)} can be written by others"
    return _others_of(folder)


def _others_of(folder: str) -> str:
    """Who else can put something in the place of a folder in this one, or of one above. Empty: nobody."""
    if os.name != "posix":
        return ""
    for place in _with_parents(folder):
        status = os.stat(place)
        if not stat.S_ISDIR(status.st_mode):
            return f"{quoted(place)} is not a folder"
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            return f"{quoted(place)} can be written by others"
        if status.st_uid not in (0, os.geteuid()):
            return f"{quoted(place)} belongs to another user"
    return ""
