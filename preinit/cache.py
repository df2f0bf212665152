"""Compiled code, kept between builds in a folder that only its owner can write to.

Compiled code is run without a check: a folder that somebody else could write to is not used. A folder that can't be
made is not an error: the build is slower, that is all.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "PREINIT_CACHE_DIR"


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
    try:
        folder = folder.absolute()
        for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() and os.name == "posix":
            return None
        folder = folder.resolve()  # a link on the way to it may lead elsewhere later
        return folder if _is_ours_alone(folder) else None
    except OSError:
        return None


def engine_configuration(folder: Path) -> str | None:
    """The path of a cache configuration for the engine that keeps its files in `folder`; None if it can't be used.

    `folder` is one that is `usable`.
    """
    try:
        directory = str(folder / "wasmtime").replace("\\", "\\\\").replace('"', '\\"')
        text = f'[cache]\ndirectory = "{directory}"\n'
        configuration = folder / "wasmtime.toml"
        if not configuration.exists() or configuration.read_text(encoding="utf-8") != text:
            _write(configuration, text.encode())
        return str(configuration)
    except (OSError, UnicodeError):
        return None


#: Profiles that are kept, and bytes of them: those that were used last.
_MOST_PROFILES = 64
_MOST_BYTES = 1 << 30
#: A file that was begun so many seconds ago, and is still not complete, never will be.
_STALE = 3600


def read_profile(folder: Path, name: str) -> bytes | None:
    """The profile of that name in a folder that is `usable`; None if there is none, or if it can't be read."""
    try:
        place = _profiles(folder)
        data = (place / name).read_bytes() if place else None
    except OSError:
        return None
    if place:
        with suppress(OSError):  # a folder that can only be read is as good
            os.utime(place / name)  # used last
    return data


def write_profile(folder: Path, name: str, data: bytes) -> None:
    """Keeps a profile, and forgets those that were used least recently. What can't be written is not kept."""
    if len(data) > _MOST_BYTES:
        return
    try:
        (folder / "profiles").mkdir(mode=0o700, exist_ok=True)
        place = _profiles(folder)
        if place is None:
            return
        _write(place / name, data)
        kept = sorted(((s.st_mtime, s.st_size, p) for p in place.iterdir() if (s := _status(p))), reverse=True)
        total = number = 0
        for changed, size, path in kept:
            if "." in path.name and changed > time.time() - _STALE:
                continue  # another process is writing it
            total += size
            number += 1
            if number > _MOST_PROFILES or total > _MOST_BYTES:
                path.unlink(missing_ok=True)
    except OSError:
        return


def _profiles(folder: Path) -> Path | None:
    """The folder for profiles, unless somebody else could write to it."""
    place = folder / "profiles"
    return place if not place.is_symlink() and _is_ours_alone(place) else None


def _status(path: Path) -> os.stat_result | None:
    """What the system knows of a file; None if it is gone: another process renamed or removed it."""
    try:
        return path.stat()
    except OSError:
        return None


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _is_ours_alone(folder: Path) -> bool:
    """Whether nobody else can write to the folder, or put another one in its place: its ancestors count, too."""
    if os.name != "posix":
        return True
    if folder.stat().st_uid != os.geteuid():
        return False
    for place in (folder, *folder.parents):
        status = place.stat()
        others_write = status.st_mode & 0o022 and not (status.st_mode & stat.S_ISVTX and place != folder)
        if not stat.S_ISDIR(status.st_mode) or others_write or status.st_uid not in (0, os.geteuid()):
            return False
    return True
