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
    from ..bytecode import Bytecode, Entry

#: Python's own files begin with a number that says its version, flags, and, where these are 0, the source's time and
#: size, four bytes each. https://peps.python.org/pep-0552/
_FLAGS, _TIME, _SIZE, _CODE = 4, 8, 12, 16


def keep(bytecode: Bytecode) -> None:
    """Writes the file anew if a module was imported that it lacks. Where it can't be written, only time is lost."""
    missed = (sys.modules[name] for name in bytecode.missed if name in sys.modules)
    source = next((module.__file__ for module in missed), None)
    with suppress(OSError):
        if source and os.access(os.path.dirname(bytecode.path), os.W_OK) and _compiled(source):
            replace_file(bytecode.path, *_pieces())


def _pieces() -> list[bytes]:
    index: dict[str, Entry] = {}
    codes: list[bytes] = []
    end = 0
    for name, source, is_package in _sources():
        data = _compiled(source)
        if data is None:
            continue
        time, size = (int.from_bytes(data[at : at + 4], "little") for at in (_TIME, _SIZE))
        codes.append(data[_CODE:])
        index[name] = size, time, end, len(codes[-1]), is_package
        end += len(codes[-1])
    head = marshal.dumps(index)
    return [HEAD, len(head).to_bytes(LENGTH, "little"), head, *codes]


def _sources() -> Iterator[tuple[str, str, bool]]:
    """The package's modules: the name, the file, whether it is a package."""
    for folder, folders, files in os.walk(FOLDER):
        folders.sort()
        inside = os.path.relpath(folder, FOLDER).split(os.sep) if folder != FOLDER else []
        for file in sorted(files):
            stem, ending = os.path.splitext(file)
            is_package = stem == "__init__"
            if ending == ".py":
                parts = (NAME, *inside) if is_package else (NAME, *inside, stem)
                yield ".".join(parts), os.path.join(folder, file), is_package


def _compiled(source: str) -> bytes | None:
    """What Python has compiled of a source, as it keeps that; None where it goes by something else than the time."""
    try:
        with open(importlib.util.cache_from_source(source), "rb") as stream:
            data = stream.read()
    except OSError:
        return None
    known = data.startswith(importlib.util.MAGIC_NUMBER) and data[_FLAGS:_TIME] == bytes(4)
    return data if known and len(data) > _CODE else None
