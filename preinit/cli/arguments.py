"""From what the user wrote to what `Options` holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..errors import InputError, Unreadable, UsageError, quoted
from ..files.outputs import STANDARD_OUTPUT
from ..options.calls import files
from ..options.text import size


class Size(click.ParamType[int]):
    """A number of bytes, with an optional unit: 64MiB, 2G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return size(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class File(click.ParamType[str]):
    """The name of a file, which shells complete; it is looked for later, by what reads or writes it."""

    name = "file"
    #: What shells are told to complete.
    completed = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self.completed)]


class Folder(File):
    """The same of a folder."""

    name = "folder"
    completed = "dir"


class Kept(click.ParamType[bool | str]):
    """What `--keep-init-func` takes: a boolean, or noop."""

    name = "kept"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool | str:
        return "noop" if value == "noop" else click.BOOL.convert(value, param, ctx)


def read(path: str) -> bytes:
    """A file's bytes, standard input's for "-". Raises `Unreadable`, `InputError`."""
    try:
        if path == STANDARD_OUTPUT:
            if sys.stdin is None:
                raise InputError("standard input can't be read: it is closed", hint="Name a file.")
            return sys.stdin.buffer.read()
        with open(path, "rb") as stream:  # noqa: PTH123 - a path may be /dev/stdin
            return stream.read()
    except OSError as problem:
        shown = "standard input" if path == STANDARD_OUTPUT else f"the file {path!r}"
        raise Unreadable(
            f"{shown} can't be read: {problem.strerror}", hint="Name a file that exists and that you may read."
        ) from problem


def other_inputs(given: Mapping[str, Any]) -> list[str]:
    """Names of files that are read beside the module and standard input."""
    names: list[str] = [text.partition("=")[2] for text in given["preloads"]]
    for text in given["init_func"]:
        with suppress(UsageError):  # what is wrong with it is said when there can be a report of the failure
            names += files(text)
    return names


def renaming(text: str) -> tuple[str, str]:
    """Destination and source of `-r DST=SRC`. Raises `UsageError`."""
    left, found, right = text.partition("=")
    if not (left and found and right):
        raise UsageError(f"{quoted(text)} is not of the form -r DST=SRC", hint="For example: -r _start=resume")
    return _unicode(left), _unicode(right)


def imported_global(text: str) -> tuple[str, str]:
    """Name and value of `--import-global MODULE.NAME=VALUE`; names may contain `=`. Raises `UsageError`."""
    name, found, value = text.rpartition("=")
    if not (name and found and value):
        raise UsageError(
            f"{quoted(text)} is not of the form --import-global MODULE.NAME=VALUE",
            hint="For example: --import-global env.base=1024",
        )
    return _unicode(name), value


def preload(text: str) -> tuple[str, bytes | str]:
    """Name and path of `--preload NAME=FILE`, or the content of what is no file. Raises `UsageError`, `Unreadable`."""
    name, found, path = text.partition("=")
    if not (name and found and path):
        raise UsageError(
            f"{quoted(text)} is not of the form --preload NAME=FILE", hint="For example: --preload env=library.wasm"
        )
    return _unicode(name), path if os.path.isfile(path) else read(path)  # noqa: PTH113 - what is wrong, `read` says


def stub(text: str) -> tuple[str, str]:
    """Name and what stands in for it of `--stub MODULE.NAME=WHAT`; names may contain `=`. Raises `UsageError`."""
    name, found, what = text.rpartition("=")
    if not (name and found and what):
        raise UsageError(
            f"{quoted(text)} is not of the form --stub MODULE.NAME=trap|zero|ERRNO",
            hint="For example: --stub env.log=zero",
        )
    return _unicode(name), _unicode(what)


def variable(text: str) -> tuple[str, str]:
    """Name and value of `--env K[=V]`. Raises `UsageError`."""
    name, found, value = text.partition("=")
    if not name:
        raise UsageError(f"{quoted(text)} is not of the form --env K=V", hint="For example: --env LANG=C")
    if found:
        return name, value
    if name not in os.environ:
        raise UsageError(
            f"there is no environment variable {name!r} to pass on", hint=f"Give it a value: --env {name}=..."
        )
    return name, os.environ[name]


def folder(text: str) -> tuple[str, str]:
    """Folder and guest path of `--dir HOST[::GUEST]`. Raises `UsageError`."""
    host, found, guest = text.partition("::")
    if not host or (found and not guest):
        raise UsageError(
            f"{quoted(text)} is not of the form --dir HOST[::GUEST]", hint="For example: --dir lib::/usr/lib"
        )
    return host, _unicode(guest if found else host)


def mapped_folder(text: str) -> tuple[str, str]:
    """The same of wizer's `--mapdir GUEST::HOST`. Raises `UsageError`."""
    guest, _, host = text.partition("::")
    if not (guest and host):
        raise UsageError(
            f"{quoted(text)} is not of the form --mapdir GUEST::HOST", hint="For example: --mapdir /usr/lib::lib"
        )
    return host, _unicode(guest)


def _unicode(name: str) -> str:
    """A name that the guest or the output will hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name {quoted(name)} is not UTF-8, as names in a module have to be", hint="Write it in UTF-8."
        ) from None
    return name
