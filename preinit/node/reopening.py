"""Opening files again that were open at the pause: through the glue's own system calls, before anything else runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.types import I32, I64, FuncType
from ..tuples import NamedTuple
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
#: The one that makes a descriptor of the lowest number that is free.
_COPYING_ANYWHERE = ("syscall_dup", FuncType((I32,), (I32,)))
#: Standard input, output and error: they are there from the start.
_STREAMS = 3


class Reopening(NamedTuple):
    """`files`: those that are opened again; `locals`: what the instructions need; `body`: the instructions."""

    files: tuple[OpenFile, ...]
    locals: bytes
    body: bytes


NOTHING = Reopening((), code.NO_LOCALS, b"")


class _Calls(NamedTuple):
    """The glue's own system calls. `folder`: what is given before a path; `placing`, `copying`: instructions that put a
    descriptor where another one is, both of which are on the stack, and that copy one; none without such a call."""

    opening: int
    folder: bytes
    close: int
    seek: int | None
    placing: bytes
    copying: bytes


def reopening(
    module: Module, recording: Recording, resting: int, forgotten: Collection[int], parameters: int
) -> Reopening:
    """Opens files again, each as the descriptor that it was. `resting`: where the stack ends now;
    `parameters`: how many the function has that does it.

    The glue gives the lowest descriptor that is free. Where that is another one, the file is opened once more, which
    gives each its number if lower ones come first; what was too much is closed. Only then are descriptors put where
    others may be, as those of standard streams: first copies of these, which may be about to be replaced, then files,
    then copies of files.
    """
    calls = _calls(module, recording)
    memory = recording.memories.get(0, memoryview(b""))
    at = (resting - _SCRATCH) & ~15
    if calls is None or not (at > 0 and at + _LONGEST <= len(memory)):
        return NOTHING
    files = _possible(recording, calls, forgotten)
    if not files:
        return NOTHING
    writer = _Writer(module, memory, calls, at, parameters)
    looped = [file for file in files if not file.places and (file.copy_of is None or not calls.placing)]
    placed = [file for file in files if file not in looped]
    pieces = [writer.loop(file) for file in sorted(looped, key=lambda file: file.number)]
    if looped:
        pieces.append(writer.close_rest())
    pieces += [writer.place(file) for file in placed]
    return Reopening(files, code.locals_(I32, I64), b"".join(pieces))


def _possible(recording: Recording, calls: _Calls, forgotten: Collection[int]) -> tuple[OpenFile, ...]:
    """Files that can be opened again, in that order: what a stream is copied to comes before what replaces it."""
    wanted = [file for file in recording.opened if file.number not in forgotten and file.number in range(_MOST)]
    wanted.sort(key=lambda file: file.number in range(_STREAMS))
    files = [
        file
        for file in sorted(wanted, key=lambda file: file.places)
        if file.path and file.copy_of is None and len(file.raw) < _LONGEST and (calls.placing or not file.places)
    ]
    there = {file.number for file in files}
    copies = [f for f in wanted if f.copy_of is not None and (calls.placing or (calls.copying and not f.places))]
    of_streams = [file for file in copies if not file.path and file.copy_of in range(_STREAMS)]
    return (*of_streams, *files, *(file for file in copies if file.path and file.copy_of in there))


def _calls(module: Module, recording: Recording) -> _Calls | None:
    def found(name: str, *kinds: FuncType) -> int | None:
        function = _function(module, recording, name)
        return function if function is not None and module.function_type(function) in kinds else None

    known = _OPENING[I64 if any(memory.is_64 for memory in module.memories[:1]) else I32]
    opening = next((f for name, kind in known if (f := found(name, kind)) is not None), None)
    close = found("fd_close", _CLOSING)
    if opening is None or close is None:
        return None
    kind = module.function_type(opening)
    folder = code.i32_const(_AT_FDCWD) if kind == known[0][1] else b""
    placing = ((f, flags) for name, kind, flags in _COPYING if (f := found(name, kind)) is not None)
    copying = found(_COPYING_ANYWHERE[0], _COPYING_ANYWHERE[1])
    return _Calls(
        opening, folder, close, _function(module, recording, "fd_seek"),
        next((flags + code.call(function) + code.DROP for function, flags in placing), b""),
        b"" if copying is None else code.call(copying),
    )  # fmt: skip


class _Writer:
    """Writes instructions. `at`: where a path is put. After the parameters come two locals: the descriptor that was
    got, and a bit for each that is too much."""

    def __init__(self, module: Module, memory: memoryview, calls: _Calls, at: int, parameters: int) -> None:
        self._module, self._memory, self._calls, self._at = module, memory, calls, at
        self._is_64 = module.memories[0].is_64
        self._address = code.address_ops(self._is_64).const
        self._got, self._extra = parameters, parameters + 1

    def loop(self, file: OpenFile) -> bytes:
        """Opens it until it has its number."""
        got, extra, number = self._got, self._extra, code.i32_const(file.number)
        bit = code.local_get(got) + code.I64_EXTEND_I32_U
        seen = code.local_get(extra) + bit + code.I64_SHR_U + code.I32_WRAP_I64 + code.i32_const(1) + code.I32_AND
        is_new = (
            code.local_get(got) + code.i32_const(_MOST) + code.I32_OPS.lt_u + seen + code.I32_OPS.eqz + code.I32_AND
        )
        mark = code.local_get(extra) + code.i64_const(1) + bit + code.I64_OPS.shl + code.I64_OR + code.local_set(extra)
        again = code.local_get(got) + number + code.I32_OPS.lt_u + code.br_if(2)
        is_other = code.local_tee(got) + number + code.I32_OPS.ne
        body = code.loop(self._open(file) + is_other + code.if_(is_new + code.if_(mark + again)))
        return self._with_path(file, body) + self._to_position(file)

    def close_rest(self) -> bytes:
        """Closes what was too much."""
        extra = self._extra
        lowest = code.local_get(extra) + code.I64_CTZ + code.I32_WRAP_I64
        rest = code.local_get(extra) + code.local_get(extra) + code.i64_const(1) + code.I64_OPS.sub + code.I64_AND
        closing = lowest + code.call(self._calls.close) + code.DROP + rest + code.local_set(extra) + code.br(1)
        return code.loop(code.local_get(extra) + code.I64_EQZ + code.I32_OPS.eqz + code.if_(closing))

    def place(self, file: OpenFile) -> bytes:
        """Puts it where it was: what may have that number is closed, as a standard stream is."""
        number = code.i32_const(file.number)
        if file.copy_of is not None:
            return code.i32_const(file.copy_of) + number + self._calls.placing
        got = self._got
        put = code.local_get(got) + number + self._calls.placing
        put += code.local_get(got) + code.call(self._calls.close) + code.DROP
        is_other = code.local_tee(got) + number + code.I32_OPS.ne
        is_open = code.local_get(got) + code.i32_const(0) + code.I32_GE_S
        body = self._open(file) + is_other + code.if_(is_open + code.if_(put))
        return self._with_path(file, body) + self._to_position(file)

    def _open(self, file: OpenFile) -> bytes:
        """Gives a new descriptor."""
        if file.copy_of is not None:
            return code.i32_const(file.copy_of) + self._calls.copying
        flags = code.i32_const(file.flags & ~(_CREATE | _EXCLUSIVE | _TRUNCATE))
        return self._calls.folder + self._address(self._at) + flags + self._address(0) + code.call(self._calls.opening)

    def _with_path(self, file: OpenFile, body: bytes) -> bytes:
        if file.copy_of is not None:
            return body
        return borrowed(self._memory, self._at, file.raw + b"\0", body, self._is_64)

    def _to_position(self, file: OpenFile) -> bytes:
        """From the start; glue without BigInt takes the two halves of the offset."""
        seek = self._calls.seek
        if seek is None or not file.position or file.copy_of is not None:
            return b""
        kind = self._module.function_type(seek)
        wide = kind is not None and I64 in kind.params
        low, high = file.position & 0xFFFFFFFF, file.position >> 32
        offset = code.i64_const(file.position) if wide else code.i32_const(low) + code.i32_const(high)
        whence, result = code.i32_const(0), self._address(self._at)
        moved = code.i32_const(file.number) + offset + whence + result + code.call(seek) + code.DROP
        return borrowed(self._memory, self._at, bytes(8), moved, self._is_64)


def _function(module: Module, recording: Recording, name: str) -> int | None:
    """The import that does that, by the name of the glue's function or its own."""
    pattern = re.compile(rf"_*{name}")
    numbers = numbered(module)
    for entry in recording.imports:
        if pattern.fullmatch(entry.title) and (entry.module, entry.name) in numbers:
            return numbers[entry.module, entry.name]
    return None
