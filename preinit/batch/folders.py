"""Folders that travel with a job: what is in them, as values."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError, in_words, quoted, way_out

#: A part of a folder: its path there, and a file's content, a link's target, or None for a folder.
Entry = tuple[str, bytes | str | None]

#: Bytes of the files in one folder that travel, and how many parts it may have.
MOST_BYTES = 2 << 30
MOST_ENTRIES = 200_000


def _entries(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Path within the folder, path and type of each part, in an order that depends on names only."""
    for place, names, files in os.walk(folder, onerror=_refuse):
        names.sort()
        for name in sorted(names + files):
            path = Path(place, name)
            yield path.relative_to(folder).as_posix(), path, stat.S_IFMT(path.lstat().st_mode)


def _refuse(problem: OSError) -> None:
    raise problem


def pack(folder: str) -> list[Entry]:
    """All that is in a folder. Raises `InputError`."""
    found: list[Entry] = []
    size = 0
    try:
        for name, path, kind in _entries(Path(folder)):
            if kind == stat.S_IFDIR:
                found.append((name, None))
            elif kind == stat.S_IFLNK:
                found.append((name, str(path.readlink())))
            elif kind == stat.S_IFREG:
                size += path.stat().st_size
                found.append((name, path.read_bytes() if size <= MOST_BYTES else b""))
            if size > MOST_BYTES or len(found) > MOST_ENTRIES:
                raise InputError(
                    f"the folder {quoted(folder)} is too large to travel to the workers",
                    hint=f"At most {MOST_BYTES:,} bytes in {MOST_ENTRIES:,} files: give a smaller folder.",
                )
    except OSError as problem:
        raise InputError(
            f"the folder {quoted(folder)} can't be read: {in_words(problem)}",
            hint=way_out(problem, "Name one that you may read."),
        ) from problem
    return found


def unpack(entries: list[Entry], folder: Path) -> None:
    """Makes the same in an empty folder."""
    for name, content in entries:
        path = folder / name
        if content is None:
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)


def digest(folder: str) -> str:
    """SHA-256 of all that is in a folder, in hex. Raises `InputError`."""
    total = hashlib.sha256()
    try:
        for name, path, kind in _entries(Path(folder)):
            total.update(f"{kind:o} {len(os.fsencode(name))} ".encode() + os.fsencode(name))
            if kind == stat.S_IFREG:
                with path.open("rb") as stream:
                    total.update(hashlib.file_digest(stream, "sha256").digest())
            elif kind == stat.S_IFLNK:
                target = os.fsencode(path.readlink())
                total.update(f"{len(target)} ".encode() + target)
    except OSError as problem:
        raise InputError(
            f"the folder {quoted(folder)} can't be read: {in_words(problem)}",
            hint=way_out(problem, "Name one that you may read."),
        ) from problem
    return total.hexdigest()
