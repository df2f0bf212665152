"""Paths that a job file names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..errors import ConfigError, InputError, Unreadable, in_words, quoted, way_out

#: Bytes of a file that a job file names.
MOST_DATA = 1 << 30

#: Stands for the path of the job's file in what all jobs of a folder have in common.
PLACEHOLDER = "{}"


def read_data(base: Path, file: str, name: str) -> bytes:
    """The bytes of a file; `file` is the one that `{}` stands for. Raises `InputError`."""
    name = file if name == PLACEHOLDER else name
    path = base / name
    try:
        if path.stat().st_size > MOST_DATA:
            raise InputError(f"the file {quoted(name)} has more than {MOST_DATA:,} bytes", hint="Give less.")
        with path.open("rb") as stream:
            return stream.read(MOST_DATA)
    except (OSError, ValueError) as problem:
        raise _unreadable(name, base, problem) from problem


def _unreadable(name: str, base: Path, problem: Exception) -> Unreadable:
    reason = in_words(problem)
    return Unreadable(
        f"the file {quoted(name)} can't be read: {reason}",
        hint=way_out(problem, f"Name a file that exists; paths count from {quoted(str(base))}."),
    )


def looked_at(used: set[str], base: Path, file: str, name: str) -> bytes:
    """Nothing, but raises `InputError` where there is no such file: a million jobs are not read at once.

    `used`: where to note which file it is, as the file system compares paths.
    """
    name = file if name == PLACEHOLDER else name
    try:
        used.add(os.path.normcase(os.path.realpath(base / name)))
        if (base / name).is_fifo():
            raise OSError(errno.ESPIPE, "it is a pipe, which can't be read again")
        with (base / name).open("rb"):
            return b""
    except (OSError, ValueError) as problem:
        raise _unreadable(name, base, problem) from problem


def existing_folder(base: Path, name: str) -> str:
    path = base / name
    if not path.is_dir():
        raise Unreadable(f"there is no folder {quoted(name)}", hint=f"Paths count from {quoted(str(base))}.")
    return str(path)


def resolved(path: Path, where: str) -> Path:
    """The path without links. Raises `ConfigError` for one that no file can have."""
    try:
        path = Path(os.path.realpath(path))
        path.exists()
        return path
    except (OSError, ValueError) as problem:
        reason = in_words(problem)
        raise ConfigError(f"{quoted(str(path))} can't be a path: {reason}", where=where) from problem
