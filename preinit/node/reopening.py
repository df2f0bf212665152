"""Opening files again that were open at the pause: through the glue's own system calls, before anything else runs."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.types import I32, I64, FuncType
from .arguments import borrowed
from .imports import numbered
from .recording import OpenFile, Recording

#: Bytes below the stack's top where a path is put while a file is opened.
_SCRATCH = 8192
#: Longest path that is put there.
_LONGEST = 4095
_AT_FDCWD = -100
#: Descriptors from here on are not opened again.
_MOST = 64
_CLOSING = FuncType((I32,), (I32,))
#: Flags of opening that make a file, or empty it: as musl, and so Emscripten, numbers them.
_CREATE, _EXCLUSIVE, _TRUNCATE = 0x40, 0x80, 0x200
#: The system calls that open a file, newer glue's first, and their types: a folder's descriptor (of the first one),
#: path, flags, and an address of more arguments, of which there are none; by the type of addresses.
_OPENING = {
    address: (
        ("syscall_openat", FuncType((I32, address, I32, address), (I32,))),
        ("syscall_open", FuncType((address, I32, address), (I32,))),
    )
    for address in (I32, I64)
}
#: Those that make a descriptor of a number: from which, to which, and flags (of the first one).
_COPYING = (
    ("syscall_dup3", FuncType((I32, I32, I32), (I32,)), code.i32_const(0)),
    ("syscall_dup2", FuncType((I32, I32), (I32,)), b""),
)


class Reopening(NamedTuple):
    """`files`: those that are opened again; `locals`: what the instructions need; `body`: the instructions."""

    files: tuple[OpenFile, ...]
    locals: bytes
    body: bytes


NOTHING = Reopening((), code.NO_LOCALS, b"")


def reopening(
    module: Module, recording: Recording, resting: int, forgotten: Collection[int], parameters: int
) -> Reopening:
    """Opens files again, each as the descriptor that it was. `resting`: where the stack ends now;
    `parameters`: how many the function has that does it.

    The glue gives the lowest descriptor that is free. Where that is another one, the file is opened once more; what was
    too much is closed in the end.
    """
    seek, close = _function(module, recording, "fd_seek"), _function(module, recording, "fd_close")
    is_64 = any(memory.is_64 for memory in module.memories[:1])
    address = code.address_ops(is_64).const
    known = _OPENING[I64 if is_64 else I32]
    found = [(_function(module, recording, name), kind) for name, kind in known]
    opening, kind = next(((f, k) for f, k in found if f is not None and module.function_type(f) == k), (None, None))
    closes = close is not None and module.function_type(close) == _CLOSING
    at = (resting - _SCRATCH) & ~15
    placing = _placing(module, recording)
    files = tuple(
        file
        for file in sorted(recording.opened, key=lambda file: not file.places)
        if file.path and file.number not in forgotten and file.number < _MOST and len(file.raw) < _LONGEST
        if placing or not file.places
    )
    room = at > 0 and at + _LONGEST <= len(recording.memories.get(0, b""))
    if not (files and opening is not None and kind is not None and close is not None and closes and room):
        return NOTHING
    folder = code.i32_const(_AT_FDCWD) if len(kind.params) == len(known[0][1].params) else b""
    got, extra = parameters, parameters + 1
    memory = recording.memories[0]
    pieces = []
    for file in files:
        flags = file.flags & ~(_CREATE | _EXCLUSIVE | _TRUNCATE)
        given = folder + address(at) + code.i32_const(flags) + address(0)
        body = given + code.call(opening) + code.local_tee(got) + code.i32_const(file.number) + code.I32_OPS.ne
        if file.places:
            # The number may be in use, as that of a standard stream is: what has it is closed.
            put = code.local_get(got) + code.i32_const(file.number) + placing
            put += code.local_get(got) + code.call(close) + code.DROP
            is_open = code.local_get(got) + code.i32_const(0) + code.I32_GE_S
            pieces.append(borrowed(memory, at, file.raw + b"\0", body + code.if_(is_open + code.if_(put)), is_64))
            pieces += _to_position(module, memory, seek, file, at)
            continue
        # Another one is closed in the end, and if it was a lower one, the file is opened once more.
        bit = code.local_get(got) + code.I64_EXTEND_I32_U
        seen = code.local_get(extra) + bit + code.I64_SHR_U + code.I32_WRAP_I64 + code.i32_const(1) + code.I32_AND
        is_new = (
            code.local_get(got) + code.i32_const(_MOST) + code.I32_OPS.lt_u + seen + code.I32_OPS.eqz + code.I32_AND
        )
        mark = code.local_get(extra) + code.i64_const(1) + bit + code.I64_OPS.shl + code.I64_OR + code.local_set(extra)
        again = code.local_get(got) + code.i32_const(file.number) + code.I32_OPS.lt_u + code.br_if(2)
        body += code.if_(is_new + code.if_(mark + again))
        pieces.append(borrowed(memory, at, file.raw + b"\0", code.loop(body), is_64))
        pieces += _to_position(module, memory, seek, file, at)
    lowest = code.local_get(extra) + code.I64_CTZ + code.I32_WRAP_I64
    rest = code.local_get(extra) + code.local_get(extra) + code.i64_const(1) + code.I64_OPS.sub + code.I64_AND
    closing = lowest + code.call(close) + code.DROP + rest + code.local_set(extra) + code.br(1)
    pieces.append(code.loop(code.local_get(extra) + code.I64_EQZ + code.I32_OPS.eqz + code.if_(closing)))
    return Reopening(files, code.locals_(I32, I64), b"".join(pieces))


def _placing(module: Module, recording: Recording) -> bytes:
    """Instructions that put a descriptor where another one is, both of which are on the stack; none without a call."""
    for name, kind, flags in _COPYING:
        function = _function(module, recording, name)
        if function is not None and module.function_type(function) == kind:
            return flags + code.call(function) + code.DROP
    return b""


def _to_position(module: Module, memory: memoryview, seek: int | None, file: OpenFile, at: int) -> list[bytes]:
    if seek is None or not file.position:
        return []
    is_64 = module.memories[0].is_64
    return [borrowed(memory, at, bytes(8), _seek(module, seek, file, code.address_ops(is_64).const(at)), is_64)]


def _seek(module: Module, seek: int, file: OpenFile, at: bytes) -> bytes:
    """`fd_seek` from the start; glue without BigInt takes the two halves of the offset."""
    kind = module.function_type(seek)
    wide = kind is not None and I64 in kind.params
    low, high = file.position & 0xFFFFFFFF, file.position >> 32
    offset = code.i64_const(file.position) if wide else code.i32_const(low) + code.i32_const(high)
    return code.i32_const(file.number) + offset + code.i32_const(0) + at + code.call(seek) + code.DROP


def _function(module: Module, recording: Recording, name: str) -> int | None:
    """The import that does that, by the name of the glue's function or its own."""
    pattern = re.compile(rf"_*{name}")
    numbers = numbered(module)
    for entry in recording.imports:
        if pattern.fullmatch(entry.title) and (entry.module, entry.name) in numbers:
            return numbers[entry.module, entry.name]
    return None
