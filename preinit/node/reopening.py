"""Opening files again that were open at the pause: through the glue's own system calls, before anything else runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.types import I32, I64, FuncType
from .arguments import stores
from .imports import numbered
from .recording import OpenFile, Recording

#: Bytes below the stack's top where a path is put while a file is opened.
_SCRATCH = 8192
#: Longest path that is put there.
_LONGEST = 4095
_AT_FDCWD = -100
#: Flags of opening that make a file, or empty it: as musl, and so Emscripten, numbers them.
_CREATE, _EXCLUSIVE, _TRUNCATE = 0x40, 0x80, 0x200
#: The system calls that open a file, newer glue's first, and their types: a folder's descriptor (of the first one),
#: path, flags, and an address of more arguments, of which there are none.
_OPENING = (
    ("syscall_openat", FuncType((I32, I32, I32, I32), (I32,))),
    ("syscall_open", FuncType((I32, I32, I32), (I32,))),
)


def reopened(recording: Recording, forgotten: Collection[int]) -> list[OpenFile]:
    """The files that have a path, but for those that are forgotten."""
    return [file for file in recording.opened if file.path is not None and file.number not in forgotten]


def reopening(
    module: Module, recording: Recording, resting: int, forgotten: Collection[int]
) -> tuple[bytes, tuple[str, ...]]:
    """Instructions that open them, in the order of their descriptors, and their paths; nothing where that can't be
    done. `resting`: where the stack ends now."""
    files = reopened(recording, forgotten)
    seek = _function(module, recording, "fd_seek")
    found = [(_function(module, recording, name), kind) for name, kind in _OPENING]
    opening, kind = next(((f, k) for f, k in found if f is not None and module.function_type(f) == k), (None, None))
    at = (resting - _SCRATCH) & ~15
    if not files or opening is None or kind is None or at <= 0:
        return b"", ()
    folder = code.i32_const(_AT_FDCWD) if len(kind.params) == len(_OPENING[0][1].params) else b""
    pieces, paths = [], []
    for file in files:
        assert file.path is not None
        text = file.path.encode("utf-8", "surrogateescape") + b"\0"
        if len(text) > _LONGEST:
            continue
        paths.append(file.path)
        flags = file.flags & ~(_CREATE | _EXCLUSIVE | _TRUNCATE)
        given = folder + code.i32_const(at) + code.i32_const(flags) + code.i32_const(0)
        pieces.append(stores(at, text) + given + code.call(opening) + code.DROP)
        if seek is not None and file.position:
            pieces.append(_seek(module, seek, file, at))
    return b"".join(pieces), tuple(paths)


def _seek(module: Module, seek: int, file: OpenFile, at: int) -> bytes:
    """`fd_seek` from the start; glue without BigInt takes the two halves of the offset."""
    kind = module.function_type(seek)
    wide = kind is not None and I64 in kind.params
    low, high = file.position & 0xFFFFFFFF, file.position >> 32
    offset = code.i64_const(file.position) if wide else code.i32_const(low) + code.i32_const(high)
    return code.i32_const(file.number) + offset + code.i32_const(0) + code.i32_const(at) + code.call(seek) + code.DROP


def _function(module: Module, recording: Recording, name: str) -> int | None:
    """The import that does that, by the name of the glue's function or its own."""
    pattern = re.compile(rf"_*{name}")
    numbers = numbered(module)
    for entry in recording.imports:
        if pattern.fullmatch(entry.title) and (entry.module, entry.name) in numbers:
            return numbers[entry.module, entry.name]
    return None
