"""Files and folders that are named on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import InputError, Unreadable, UsageError, in_words, quoted, way_out
from ..files.outputs import STANDARD_OUTPUT
from ..files.regular import read_bounded, too_long
from ..options.calls import files
from ..options.texts import in_unicode


def read(path: str, largest: int | None = None) -> bytes:
    """A file's bytes, standard input's for "-". Raises `Unreadable`, `InputError`.

    `largest`: how many at most; then what may never end, or never begin, is not read: see `read_bounded`.
    """
    try:
        if path == STANDARD_OUTPUT:
            if sys.stdin is None:
                raise InputError("standard input can't be read: it is closed", hint="Name a file.")
            data = sys.stdin.buffer.read(-1 if largest is None else largest + 1)
            if largest is not None and len(data) > largest:
                raise too_long(largest)
            return data
        if largest is not None:
            return read_bounded(path, largest)
        with open(path, "rb") as stream:  # a path may be /dev/stdin
            return stream.read()
    except OSError as problem:
        shown = "standard input" if path == STANDARD_OUTPUT else f"the file {path!r}"
        raise Unreadable(
            f"{shown} can't be read: {in_words(problem)}",
            hint=way_out(problem, "Name a file that exists and that you may read."),
        ) from problem


def module(path: str) -> bytes | str:
    """The path of a module that is provided, or the content of what is not a file. Raises `Unreadable`."""
    return path if os.path.isfile(path) else read(path)  # what is wrong, `read` says


def other_inputs(given: Mapping[str, Any]) -> list[str]:
    """Names of files that are read besides the module and standard input."""
    names: list[str] = [text.partition("=")[2] for text in given["preloads"]]
    for text in (*given["init_funcs"], *(text.partition("=")[2] for text in given.get("rename_funcs") or ())):
        with suppress(UsageError):  # what is wrong with it is said when there can be a report of the failure
            names += files(text)
    return names


def mapped_folder(text: str) -> tuple[str, str]:
    """Folder and guest path of wizer's `--mapdir GUEST::HOST`. Raises `UsageError`."""
    guest, _, host = text.partition("::")
    if not (guest and host):
        raise UsageError(
            f"{quoted(text)} is not of the form --mapdir GUEST::HOST", hint="For example: --mapdir /usr/lib::lib"
        )
    return host, in_unicode(guest)
