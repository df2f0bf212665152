"""Paths in wasi:filesystem, and what they lead to."""

from __future__ import annotations

from ..wasi1.abi import Errno, WasiError
from ..wasi1.files import Descriptor

#: The bit of `path-flags`.
FOLLOW = 1


def name_of(path: str) -> bytes:
    if "\0" in path:
        raise WasiError(Errno.INVAL)
    return path.encode()


def check_directory(entry: Descriptor) -> None:
    if not entry.is_directory:
        raise WasiError(Errno.NOTDIR)


def check_file(entry: Descriptor) -> None:
    if entry.is_directory:
        raise WasiError(Errno.ISDIR)
