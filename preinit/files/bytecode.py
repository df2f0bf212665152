"""Writing the file that `preinit.bytecode` reads, from what Python has compiled."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..bytecode import FOLDER, HEAD, LENGTH, NAME
from .replace import replace_file

if TYPE_CHECKING:
    from ..bytecode import Bytecode, Entry, Places

#: Python's own files begin with a number that says its version, flags, and, where these are 0, the source's time and
#: size, four bytes each. https://peps.python.org/pep-0552/
_FLAGS, _TIME, _SIZE, _CODE = 4, 8, 12, 16

#: Who may do what with the file, at most: whoever can write to it, runs code as those who run preinit.
_MODE = 0o644


def keep(bytecode: Bytecode) -> None:
    """Writes the file anew if a module was imported that it lacks and could have, or has for nothing.

    Raises `OSError`.
    """
    places = bytecode.places
    missed = {name: module for name in tuple(bytecode.missed) if (module := sys.modules.get(name))}
    sources = (source for module in missed.values() if (source := getattr(module, "__file__", None)))
    if not os.access(os.path.dirname(places.all), os.W_OK):
        return
    if not any(map(bytecode.has, missed)) and not any(_compiled(places, source) for source in sources):
        return
    if not os.access(places.all, os.W_OK):
        with suppress(FileNotFoundError):
            os.unlink(places.all)  # another user's, in a folder of ours
    replace_file(places.all, *_pieces(places), mode=os.stat(__file__).st_mode & _MODE)


def _pieces(places: Places) -> list[bytes]:
    index: dict[str, Entry] = {}
    codes: list[bytes] = []
    end = 0
    for name, is_package in _modules():
        source = places.source(name, is_package)
        found = _compiled(places, source)
        if found is not None:
            stamps, code = found
            index[name] = (is_package, *stamps, end, len(code))
            codes.append(code)
            end += len(code)
    head = marshal.dumps(index)
    return [HEAD, len(head).to_bytes(LENGTH, "little"), head, *codes]


def _modules() -> Iterator[tuple[str, bool]]:
    """The package's modules, and whether each is a package."""
    for folder, folders, files in os.walk(FOLDER):
        folders.sort()
        inside = os.path.relpath(folder, FOLDER).split(os.sep) if folder != FOLDER else []
        for file in sorted(files):
            stem, ending = os.path.splitext(file)
            is_package = stem == "__init__"
            if ending == ".py" and (inside or not is_package):  # the package itself is there before its modules
                yield ".".join((NAME, *inside) if is_package else (NAME, *inside, stem)), is_package


def _compiled(places: Places, source: str) -> tuple[tuple[int, int, int, int], bytes] | None:
    """What Python has compiled of a source, with the sizes and times of both files.

    None where it is not that of this source, goes by something else than the time, or has come from another place,
    which its tracebacks would name.
    """
    path = importlib.util.cache_from_source(source)
    try:
        one, other = os.stat(source), os.stat(path)
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError:
        return None
    size, time = one.st_size, int(one.st_mtime)
    said = [int.from_bytes(data[at : at + 4], "little") for at in (_TIME, _SIZE)]
    if (
        path != places.compiled(source)
        or not data.startswith(importlib.util.MAGIC_NUMBER)
        or data[_FLAGS:_TIME] != bytes(4)
        or said != [time & 0xFFFF_FFFF, size & 0xFFFF_FFFF]
        or os.fsencode(source) not in data
    ):
        return None
    return (size, time, other.st_size, other.st_mtime_ns), data[_CODE:]
