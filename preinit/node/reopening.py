"""Opening files again that were open at the pause: through the glue's own system calls, before anything else runs.

So is what else the program did to its descriptors: lines that it has begun, streams that it closed, its folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.types import I32, I64, FuncType, ValType
from ..tuples import NamedTuple
from .imports import numbered
from .instructions import Calls, Writer
from .recording import Files, OpenFile, Recording

#: Bytes below the stack's top where a path is put while a file is opened.
_SCRATCH = 8192
#: Longest path, and line, that is put there.
_LONGEST, _LONGEST_LINE = 4095, 4000
#: Descriptors from here on are not opened again.
MOST = 64
#: The system calls that open a file, newer glue's first: whether they take the descriptor of a folder.
_OPENING = (("syscall_openat", True), ("syscall_open", False))
#: Those that make a descriptor of a number: whether they take flags.
_COPYING = (("syscall_dup3", True), ("syscall_dup2", False))
#: The one that makes a descriptor of the lowest number that is free.
_COPYING_ANYWHERE = "syscall_dup"
#: Standard input, output and error: they are there from the start.
_STREAMS = 3


class Reopening(NamedTuple):
    """`files`: what the output has then, if all is well; `locals`: what the instructions need; `body`: them."""

    files: Files
    locals: bytes
    body: bytes


NOTHING = Reopening(Files(), code.NO_LOCALS, b"")


def kept(files: Files, forgotten: Collection[int]) -> Files:
    """What is to be there again. Of descriptors that share a file, one is opened by its path; where that is forgotten,
    the next one of them is."""
    heirs: dict[int, int] = {}
    opened = []
    for file in sorted(files.opened, key=lambda file: (file.places, file.number)):
        if file.number in forgotten:
            continue
        if file.path and file.copy_of in forgotten:
            heir = heirs.setdefault(file.copy_of or 0, file.number)
            file = file._replace(copy_of=None if heir == file.number else heir)
        opened.append(file)
    return files._replace(
        opened=tuple(sorted(opened, key=lambda file: file.number)),
        shut=tuple(number for number in files.shut if number not in forgotten),
        begun={number: line for number, line in files.begun.items() if number not in forgotten},
    )


def reopening(
    module: Module, recording: Recording, resting: int, forgotten: Collection[int], parameters: int
) -> Reopening:
    """Opens files again, each as the descriptor that it was. `resting`: where the stack ends now;
    `parameters`: how many the function has that does it.

    The glue gives the lowest descriptor that is free. Where that is another one, the file is opened once more, which
    gives each its number if lower ones come first; what was too much is closed. Only then are descriptors put where
    others may be, as those of standard streams: first copies of these, which may be about to be replaced, then files,
    then copies of files. Streams that are closed come then, and the current folder; begun lines last, since glue ends
    them where a descriptor of their terminal is closed.
    """
    calls = _calls(module, recording)
    memory = recording.memories.get(0, memoryview(b""))
    at = (resting - _SCRATCH) & ~15
    if not (at > 0 and at + _LONGEST <= len(memory)):
        return NOTHING
    wanted = kept(recording.files, forgotten)
    files = _possible(wanted, calls)
    shut = wanted.shut if calls.close is not None else ()
    folder = (wanted.folder or "").encode("utf-8", "replace") if wanted.moved and calls.chdir is not None else b""
    begun = {
        stream: (number, line)
        for stream, line in wanted.begun.items()
        if stream not in wanted.synced and len(line) <= _LONGEST_LINE and calls.write is not None
        for number in _leading_to(stream, shut, files)[:1]
    }
    if not (files or begun or shut or folder):
        return NOTHING
    writer = Writer(module, memory, calls, at, parameters)
    looped = [file for file in files if not file.places and (file.copy_of is None or calls.placing is None)]
    placed = [file for file in files if file not in looped]
    pieces = [writer.loop(file, file.number < _STREAMS) for file in sorted(looped, key=lambda file: file.number)]
    if looped:
        pieces.append(writer.close_rest())
    saved = _overwritten(placed)
    pieces += [writer.save(stream, MOST + stream) for stream in saved]
    pieces += [writer.place(_from_saved(file, saved, placed[:i])) for i, file in enumerate(placed)]
    pieces += [writer.close(MOST + stream) for stream in saved]
    pieces += [writer.close(number) for number in shut]
    if folder and len(folder) < _LONGEST:
        pieces.append(writer.enter(folder))
    pieces += [writer.line(number, line) for number, line in begun.values()]
    there = wanted._replace(
        opened=tuple(file._replace(position=writer.reaches(file)) for file in files), shut=shut,
        begun={stream: line for stream, (_, line) in begun.items()},
        moved=bool(folder), folder=wanted.folder if folder else None,
    )  # fmt: skip
    return Reopening(there, writer.locals(), b"".join(pieces))


def _possible(wanted: Files, calls: Calls) -> tuple[OpenFile, ...]:
    """Files that can be opened again, in that order: what a stream is copied to comes before what replaces it."""
    if calls.close is None or calls.open is None:
        return ()
    places = calls.placing is not None
    files = [
        # One that took a closed stream's number is put there, if that can be done.
        file._replace(places=True) if places and file.number < _STREAMS and file.copy_of is None else file
        for file in sorted(wanted.opened, key=lambda file: file.number in range(_STREAMS))
        if file.number in range(MOST) and not file.host
    ]
    by_path = [
        file
        for file in sorted(files, key=lambda file: file.places)
        if file.path and file.copy_of is None and len(file.raw) < _LONGEST and (places or not file.places)
    ]
    there = {file.number for file in by_path}
    copies = [f for f in files if f.copy_of is not None and (places or (calls.copying is not None and not f.places))]
    of_streams = [
        f for f in copies if not f.path and f.copy_of in range(_STREAMS) and (places or f.copy_of not in there)
    ]
    return (*of_streams, *by_path, *(file for file in copies if file.path and file.copy_of in there))


def _leading_to(stream: int, shut: Collection[int], files: Collection[OpenFile]) -> list[int]:
    """Descriptors that lead to a standard stream, once files are open."""
    other = {file.number for file in files if file.copy_of != file.number}
    own = [] if stream in other or stream in shut else [stream]
    return own + [file.number for file in files if not file.path and file.copy_of == stream]


def _overwritten(placed: list[OpenFile]) -> list[int]:
    """Streams that are copied after something else took their place: two that are swapped."""
    return sorted({
        file.copy_of
        for i, file in enumerate(placed)
        if file.copy_of is not None and not file.path and file.copy_of in {before.number for before in placed[:i]}
    })  # fmt: skip


def _from_saved(file: OpenFile, saved: list[int], before: list[OpenFile]) -> OpenFile:
    if not file.path and file.copy_of in saved and file.copy_of in {other.number for other in before}:
        return file._replace(copy_of=MOST + file.copy_of)
    return file


def _calls(module: Module, recording: Recording) -> Calls:
    address = I64 if any(memory.is_64 for memory in module.memories[:1]) else I32

    def found(name: str, *params: ValType) -> int | None:
        function = _function(module, recording, name)
        fits = function is not None and module.function_type(function) == FuncType(params, (I32,))
        return function if fits else None

    opening = (
        (function, takes)
        for name, takes in _OPENING
        if (function := found(name, *((I32,) if takes else ()), address, I32, address)) is not None
    )
    placing = (
        (function, takes)
        for name, takes in _COPYING
        if (function := found(name, I32, I32, *((I32,) if takes else ()))) is not None
    )
    return Calls(
        open=next(opening, None),
        close=found("fd_close", I32),
        seek=_function(module, recording, "fd_seek"),
        placing=next(placing, None),
        copying=found(_COPYING_ANYWHERE, I32),
        read=found("fd_read", I32, address, address, address),
        list=found("syscall_getdents64", I32, address, address),
        write=found("fd_write", I32, address, address, address),
        chdir=found("syscall_chdir", address),
    )


def _function(module: Module, recording: Recording, name: str) -> int | None:
    """The import that does that, by the name of the glue's function or its own."""
    pattern = re.compile(rf"_*{name}")
    numbers = numbered(module)
    for entry in recording.imports:
        if pattern.fullmatch(entry.title) and (entry.module, entry.name) in numbers:
            return numbers[entry.module, entry.name]
    return None
