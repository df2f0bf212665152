"""Instructions that call the glue's own system calls."""

from __future__ import annotations

import struct

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.types import I32, I64, ValType
from ..tuples import NamedTuple
from .arguments import borrowed, stores
from .recording import OpenFile

_AT_FDCWD = -100
#: Flags of opening that make a file, or empty it: as musl, and so Emscripten, numbers them.
_CREATE, _EXCLUSIVE, _TRUNCATE = 0x40, 0x80, 0x200
#: Those that say what may be done with it, and the one that says that it may only be written.
_ACCESS, _WRITE_ONLY = 3, 1
#: Bytes that are read at once to get to a position; and those of a folder's entry, of which one is listed at once.
_PIECE, _ENTRY = 512, 280
#: Descriptors whose numbers a mask can hold.
_MASKED = 64


class Calls(NamedTuple):
    """Imports, by index; None where there is none. Of `open`, also whether it takes a folder's descriptor; of
    `placing`, which puts a descriptor where another one is, also whether it takes flags."""

    open: tuple[int, bool] | None
    close: int | None
    seek: int | None
    placing: tuple[int, bool] | None
    copying: int | None
    read: int | None
    list: int | None
    write: int | None
    chdir: int | None


class Writer:
    """Writes instructions. `at`: where a path is put. After the parameters come locals: the descriptor that was got, a
    bit for each that is too much, and, where something is counted, what is left."""

    def __init__(self, module: Module, memory: memoryview, calls: Calls, at: int, parameters: int) -> None:
        self._module, self._memory, self._calls, self._at = module, memory, calls, at
        self._is_64 = module.memories[0].is_64
        self._ops = code.address_ops(self._is_64)
        self._address = self._ops.const
        self._got, self._extra, self._left = parameters, parameters + 1, parameters + 2
        self._counts = False

    def locals(self) -> bytes:
        """What the instructions that were written need."""
        types: list[ValType] = [I32, I64, *([I64] if self._counts else [])]
        return code.locals_(*types)

    def line(self, number: int, line: bytes) -> bytes:
        """Writes it to a stream."""
        assert self._calls.write is not None
        start = struct.pack("<QQ" if self._is_64 else "<II", self._at + 24, len(line)).ljust(16, b"\0") + bytes(8)
        written = code.i32_const(number) + self._address(self._at) + self._address(1) + self._address(self._at + 16)
        written += code.call(self._calls.write) + code.DROP
        return borrowed(self._memory, self._at, start + line, written, self._is_64)

    def enter(self, folder: bytes) -> bytes:
        """Makes a folder the current one."""
        assert self._calls.chdir is not None
        body = self._address(self._at) + code.call(self._calls.chdir) + code.DROP
        return borrowed(self._memory, self._at, folder + b"\0", body, self._is_64)

    def close(self, number: int) -> bytes:
        """Closes a descriptor."""
        assert self._calls.close is not None
        return code.i32_const(number) + code.call(self._calls.close) + code.DROP

    def save(self, number: int, elsewhere: int) -> bytes:
        """Copies a descriptor to another number."""
        return code.i32_const(number) + code.i32_const(elsewhere) + self._placing()

    def loop(self, file: OpenFile, closes: bool) -> bytes:
        """Opens it until it has its number. `closes`: something has that number."""
        got, extra, number = self._got, self._extra, code.i32_const(file.number)
        bit = code.local_get(got) + code.I64_EXTEND_I32_U
        seen = code.local_get(extra) + bit + code.I64_SHR_U + code.I32_WRAP_I64 + code.i32_const(1) + code.I32_AND
        is_new = (
            code.local_get(got) + code.i32_const(_MASKED) + code.I32_OPS.lt_u + seen + code.I32_OPS.eqz + code.I32_AND
        )
        mark = code.local_get(extra) + code.i64_const(1) + bit + code.I64_OPS.shl + code.I64_OR + code.local_set(extra)
        again = code.local_get(got) + number + code.I32_OPS.lt_u + code.br_if(2)
        is_other = code.local_tee(got) + number + code.I32_OPS.ne
        body = code.loop(self._open(file) + is_other + code.if_(is_new + code.if_(mark + again)))
        before = self.close(file.number) if closes else b""
        return before + self._with_path(file, body) + self._to_position(file)

    def close_rest(self) -> bytes:
        """Closes what was too much."""
        assert self._calls.close is not None
        extra = self._extra
        lowest = code.local_get(extra) + code.I64_CTZ + code.I32_WRAP_I64
        rest = code.local_get(extra) + code.local_get(extra) + code.i64_const(1) + code.I64_OPS.sub + code.I64_AND
        closing = lowest + code.call(self._calls.close) + code.DROP + rest + code.local_set(extra) + code.br(1)
        return code.loop(code.local_get(extra) + code.I64_EQZ + code.I32_OPS.eqz + code.if_(closing))

    def place(self, file: OpenFile) -> bytes:
        """Puts it where it was: what may have that number is closed, as a standard stream is."""
        number = code.i32_const(file.number)
        if file.copy_of is not None:
            return code.i32_const(file.copy_of) + number + self._placing() + self._to_position(file)
        assert self._calls.close is not None
        got = self._got
        put = code.local_get(got) + number + self._placing()
        put += code.local_get(got) + code.call(self._calls.close) + code.DROP
        is_other = code.local_tee(got) + number + code.I32_OPS.ne
        is_open = code.local_get(got) + code.i32_const(0) + code.I32_GE_S
        body = self._open(file) + is_other + code.if_(is_open + code.if_(put))
        return self._with_path(file, body) + self._to_position(file)

    def _placing(self) -> bytes:
        assert self._calls.placing is not None
        function, takes_flags = self._calls.placing
        return (code.i32_const(0) if takes_flags else b"") + code.call(function) + code.DROP

    def _open(self, file: OpenFile) -> bytes:
        """Gives a new descriptor."""
        if file.copy_of is not None:
            assert self._calls.copying is not None
            return code.i32_const(file.copy_of) + code.call(self._calls.copying)
        assert self._calls.open is not None
        function, takes_folder = self._calls.open
        folder = code.i32_const(_AT_FDCWD) if takes_folder else b""
        flags = code.i32_const(file.flags & ~(_CREATE | _EXCLUSIVE | _TRUNCATE))
        return folder + self._address(self._at) + flags + self._address(0) + code.call(function)

    def _with_path(self, file: OpenFile, body: bytes) -> bytes:
        if file.copy_of is not None:
            return body
        return borrowed(self._memory, self._at, file.raw + b"\0", body, self._is_64)

    def reaches(self, file: OpenFile) -> int:
        """The position that it is brought to."""
        position = file.own_position or 0
        lists = file.listed and self._calls.list is not None
        can = self._calls.seek is not None or lists or self._reads(file)
        return position if can else 0

    def _reads(self, file: OpenFile) -> bool:
        return self._calls.read is not None and file.flags & _ACCESS != _WRITE_ONLY

    def _to_position(self, file: OpenFile) -> bytes:
        """From the start: by seeking, or, in a program that can't, by listing, or by reading to nowhere."""
        position = file.own_position
        if not position:
            return b""
        if self._calls.seek is not None:
            return self._seek(file.number, position, self._calls.seek)
        if file.listed and self._calls.list is not None:
            return self._list(file.number, position, self._calls.list)
        if self._calls.read is not None and self._reads(file):
            return self._read(file.number, position, self._calls.read)
        return b""

    def _seek(self, number: int, position: int, seek: int) -> bytes:
        """Glue without BigInt takes the two halves of the offset."""
        kind = self._module.function_type(seek)
        wide = kind is not None and I64 in kind.params[1:2]
        low, high = position & 0xFFFFFFFF, position >> 32
        offset = code.i64_const(position) if wide else code.i32_const(low) + code.i32_const(high)
        whence, result = code.i32_const(0), self._address(self._at)
        moved = code.i32_const(number) + offset + whence + result + code.call(seek) + code.DROP
        return borrowed(self._memory, self._at, bytes(8), moved, self._is_64)

    def _list(self, number: int, position: int, listing: int) -> bytes:
        """Asks for entries, one at a time, until that many bytes came, or no more."""
        self._counts = True
        ask = code.i32_const(number) + self._address(self._at) + self._address(_ENTRY) + code.call(listing)
        more = code.local_tee(self._got) + code.i32_const(1) + code.I32_GE_S
        count = self._less(code.local_get(self._got))
        body = self._begin(position) + code.loop(ask + more + code.if_(count + code.br_if(1)))
        return body + self._put_back(_ENTRY)

    def _read(self, number: int, position: int, read: int) -> bytes:
        """Reads pieces, all to one place, until that many bytes came, or no more."""
        self._counts = True
        at, left, piece = self._at, code.local_get(self._left), code.i64_const(_PIECE)
        start = struct.pack("<Q" if self._is_64 else "<I", at + 24)
        size = left + piece + left + piece + code.I64_OPS.lt_u + code.SELECT
        size = self._address(at + len(start)) + size
        size += code.i64_store() if self._is_64 else code.I32_WRAP_I64 + code.i32_store()
        ask = code.i32_const(number) + self._address(at) + self._address(1) + self._address(at + 16) + code.call(read)
        got = self._address(at + 16) + code.i32_load()
        count = self._less(code.local_get(self._got))
        rest = got + code.local_tee(self._got) + code.if_(count + code.br_if(2))
        body = self._begin(position) + code.loop(size + ask + code.I32_OPS.eqz + code.if_(rest))
        return stores(at, start.ljust(24, b"\0"), self._is_64) + body + self._put_back(24 + _PIECE)

    def _begin(self, position: int) -> bytes:
        return code.i64_const(position) + code.local_set(self._left)

    def _less(self, number: bytes) -> bytes:
        """Takes a number from what is left; gives whether something still is."""
        left = code.local_get(self._left) + number + code.I64_EXTEND_I32_U + code.I64_OPS.sub
        return left + code.local_tee(self._left) + code.I64_EQZ + code.I32_OPS.eqz

    def _put_back(self, size: int) -> bytes:
        return stores(self._at, self._memory[self._at : self._at + size].tobytes(), self._is_64)
