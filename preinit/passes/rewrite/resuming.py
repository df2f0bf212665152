"""What an output does before it goes on where its program was paused: it opens files again, and prints again.

All of that calls WASI with structures in the guest's memory. What stands there is kept in locals meanwhile: it need not
be what the snapshot has, since an instance's own environment is fetched before that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import I64, FuncType
from ...errors import PauseRefused, quoted
from ...host.filesread import shown_path
from ...host.imports import wasi_parameters
from ...host.output import MOST_REPLAYED
from ...host.wasi1.abi import CREATE, EXCLUSIVE, MODULE, TRUNCATE
from ...host.world import memory_of
from ..snapshot import FramesState, MemoryState, OpenFile
from .plan import Added

#: Where the structures are put; bytes of what is printed that are put there at once.
_PLACE, _PIECE = 1024, 1024
#: Descriptors between files that are open, which are opened and closed again.
_MOST_BETWEEN = 64
#: Exit code of sysexits.h: the system does not do what it should.
_OS_ERROR = 71
_VECTOR, _RESULT, _TEXT = _PLACE, _PLACE + 8, _PLACE + 16
_STREAMS = ("standard input", "standard output", "standard error")
_STDERR = 2


def resuming(module: Module, state: FramesState, memories: tuple[MemoryState, ...]) -> Added | None:
    """The function that does that; None where there is nothing to do. Raises `PauseRefused` for what the module can't
    do."""
    if not (state.files or state.closed or state.printed or state.moved):
        return None
    memory = memory_of(module)
    if memory is None:
        raise PauseRefused("what is open can't be opened again: the module exports no memory as `memory`")
    if module.memories[memory].is_64:
        raise PauseRefused(
            "what is open can't be opened again, nor text printed again: the memory has 64-bit addresses"
        )
    return _Resuming(module, memory, memories[memory].content).function(state)


class _Resuming:
    def __init__(self, module: Module, memory: int, content: memoryview) -> None:
        self._memory = memory
        self._content = content
        self._touched = _PLACE
        self._functions: dict[str, int] = {}
        functions = [entry for entry in module.imports if entry.kind == ExternKind.FUNC]
        for index, entry in enumerate(functions):
            if entry.module == MODULE and wasi_parameters(module, entry) is not None:
                self._functions.setdefault(entry.name, index)

    def function(self, state: FramesState) -> Added:
        pieces = [*self._printed(state), *self._files(state), *self._descriptors(state)]
        kept = range((self._touched - _PLACE) // 8)
        places = [code.i32_const(_PLACE + 8 * number) for number in kept]
        loaded = (code.i64_load(0, self._memory) + code.local_set(number) for number in kept)
        saved = [place + load for place, load in zip(places, loaded, strict=True)]
        stored = (code.local_get(number) + code.i64_store(0, self._memory) for number in kept)
        restored = [place + store for place, store in zip(places, stored, strict=True)]
        locals_ = write.vector([write.uleb(len(kept)) + I64]) if kept else code.NO_LOCALS
        return Added(FuncType((), ()), locals_, b"".join([*saved, *pieces, *restored]))

    def _put(self, place: int, data: bytes) -> bytes:
        """Stores bytes; up to 7 behind them become zero."""
        data += bytes(-len(data) % 8)
        self._touched = max(self._touched, place + len(data))
        if self._touched > len(self._content):
            raise PauseRefused("the module's memory is too small for what is to be done when it goes on")
        numbers = struct.iter_unpack("<Q", data)
        return b"".join(
            code.i32_const(place + 8 * at) + code.i64_const(number) + code.i64_store(0, self._memory)
            for at, (number,) in enumerate(numbers)
        )

    def _call(self, name: str, *arguments: bytes) -> bytes:
        if name not in self._functions:
            raise PauseRefused(
                f"when it goes on, the output would have to call `{name}`, which the module does not import",
                hint="Pause where no file is open, no stream was moved, and nothing was printed that must be printed "
                "again.",
            )
        return b"".join(arguments) + code.call(self._functions[name])

    def _ends(self, said: str) -> bytes:
        """Says on standard error why the program can't go on, and ends it."""
        text = f"{said}\n".encode()
        body = b""
        if "fd_write" in self._functions:
            body += self._put(_VECTOR, struct.pack("<IIII", _TEXT, len(text), 0, 0) + text)
            body += self._write(_STDERR) + code.DROP
        exits = self._functions.get("proc_exit")
        return body + (b"" if exits is None else code.i32_const(_OS_ERROR) + code.call(exits)) + code.UNREACHABLE

    def _write(self, stream: int) -> bytes:
        arguments = (code.i32_const(number) for number in (stream, _VECTOR, 1, _RESULT))
        return self._call("fd_write", *arguments)

    # -- printing ------------------------------------------------------------------------------------------------------

    def _printed(self, state: FramesState) -> Iterator[bytes]:
        if sum(len(data) for _, data in state.printed) > MOST_REPLAYED:
            raise PauseRefused(
                f"the program printed more than {MOST_REPLAYED:,} bytes before the pause: no more can be printed again",
                hint="Have it print less, or leave out --replay-output.",
            )
        for stream, data in state.printed:
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                yield self._put(_VECTOR, struct.pack("<IIII", _TEXT, len(piece), 0, 0) + piece)
                written = code.i32_const(_RESULT) + code.i32_load(0, self._memory)
                yield self._write(stream) + written + code.i32_const(len(piece)) + code.I32_OPS.ne + code.I32_OR
                yield code.if_(self._ends("what this program had printed can't be printed again"))

    # -- files ---------------------------------------------------------------------------------------------------------

    def _files(self, state: FramesState) -> Iterator[bytes]:
        """Hosts give the lowest number that is free: what lies between open files is opened, and closed again."""
        if not state.files:
            return
        by_number = {file.number: file for file in state.files}
        start = 3 + state.folders  # behind the streams, and the folders that every instance has
        known = [number for number in by_number if number < start]
        if known:
            raise PauseRefused(f"descriptor {known[0]} is a file at the pause, and can't be made one again")
        between = []
        for number in range(start, max(by_number) + 1):
            file = by_number.get(number)
            if file is None:
                between.append(number)
                if len(between) > _MOST_BETWEEN:
                    raise PauseRefused(f"more than {_MOST_BETWEEN} descriptors are free below one that is open")
                file = state.files[0]._replace(number=number, position=0)
            yield self._open(file)
        yield from map(self._close, between)

    def _open(self, file: OpenFile) -> bytes:
        name = quoted(shown_path(file.path))
        body = self._put(_PLACE, bytes(16) + file.path)
        flags = file.open_flags & ~(CREATE | EXCLUSIVE | TRUNCATE)
        arguments = [code.i32_const(n) for n in (file.folder, file.flags, _TEXT, len(file.path), flags)]
        arguments += [code.i64_const(file.rights), code.i64_const(file.inheriting)]
        arguments += [code.i32_const(file.fd_flags), code.i32_const(_PLACE)]
        body += self._call("path_open", *arguments)
        body += code.if_(self._ends(f"the file {name}, which was open when this program was built, can't be opened"))
        found = code.i32_const(_PLACE) + code.i32_load(0, self._memory) + code.i32_const(file.number) + code.I32_OPS.ne
        body += found + code.if_(
            self._ends(f"the file {name} gets another descriptor than when this program was built")
        )
        if file.position:
            if "fd_seek" not in self._functions:
                raise PauseRefused(
                    f"the file {name} was read up to byte {file.position:,}, and to go on there the output would have "
                    "to call `fd_seek`, which the module does not import",
                    hint="Pause before the file is read, or after it is closed.",
                )
            seek = (
                code.i32_const(file.number),
                code.i64_const(file.position),
                code.i32_const(0),
                code.i32_const(_PLACE),
            )
            body += self._call("fd_seek", *seek)
            body += code.if_(self._ends(f"the file {name} can't be read from where it was when this program was built"))
        return body

    def _descriptors(self, state: FramesState) -> Iterator[bytes]:
        """Streams get the descriptors that they had, and what was closed is closed."""
        gone = {number for number, _ in state.moved}
        for number, to in state.moved:
            if to >= 3 + state.folders or to in gone:  # no instance has something there that could be replaced
                raise PauseRefused(
                    f"the program has moved {_STREAMS[number]} to descriptor {to}, which can't be done again",
                    hint="Pause before that.",
                )
            yield self._call("fd_renumber", code.i32_const(number), code.i32_const(to))
            yield code.if_(
                self._ends(f"{_STREAMS[number]} can't get descriptor {to}, which it had when this program was built")
            )
        yield from (self._close(number) for number in state.closed if number not in gone)

    def _close(self, number: int) -> bytes:
        return self._call("fd_close", code.i32_const(number)) + code.DROP
