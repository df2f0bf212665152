"""What a build learnt about a module, for the next build of it: which functions are called, and their code.

https://docs.wasmtime.dev/api/wasmtime/struct.Module.html#method.serialize : compiled code is run as it is, so a
profile is taken only from a folder that nobody else can write to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..binary.digest import CHECKSUM, checksum
from ..binary.growth import GROWTH
from ..binary.large import Large
from ..binary.module import Module
from ..binary.opcodes import MEMORY_GROW, THROW
from ..errors.reason import Reason
from ..tuples import NamedTuple
from . import ffi

#: The number is that of the form of profiles, stubs and chunks: code that was made in another form is not used.
_MAGIC = b"preinit profile 8\n"
_LENGTH = 8


#: Compiled code, as it was written down.
Code = bytes | memoryview


class StoredStubs(NamedTuple):
    """A compiled module of stubs: see `stubs.StubModule`."""

    types: tuple[tuple[int, int], ...]
    code: Code


class StoredPart(NamedTuple):
    """Another compiled module that each instance needs: `name` is a fingerprint of what was compiled."""

    name: str
    code: Code


#: Parts that a profile has: each limit of memory has others.
_MOST_PARTS = 64

#: Modules of stubs that a profile has: each initializer may need other ones.
_MOST_STUBS = 16


#: A module that is compiled, and its engine: no other one can use it.
LiveCode = tuple[ffi.Engine, ffi.Module]


class StoredChunk(NamedTuple):
    """A compiled chunk: see `chunk.Chunk`. `number` is that in its title; `bodies`: see `Module.bodies_fingerprint`.

    `code`: empty where it is `live`, in this process, and was not written down: see `written`.
    """

    number: int
    functions: tuple[int, ...]
    imports: tuple[int, ...]
    guards: tuple[tuple[int, int], ...]
    named: dict[str, int]
    changes_tables: bool
    globals: tuple[int, ...] | None
    bodies: str
    code: Code
    live: LiveCode | None = None

    def written(self) -> Code:
        """The code as another process can use it. Raises `EngineError`."""
        return self.code or (ffi.serialize(self.live[1]) if self.live else b"")


class Profile(NamedTuple):
    """`compiler` is the one that took all of the module; `whole` why it can't be compiled on demand, if it can't."""

    compiler: str
    whole: Reason | None = None
    stubs: tuple[StoredStubs, ...] = ()
    chunks: tuple[StoredChunk, ...] = ()
    parts: tuple[StoredPart, ...] = ()

    def with_parts(self, made: Sequence[StoredPart]) -> Profile:
        """The same with parts that were compiled since."""
        found = {part.name: part for part in (*self.parts, *made)}
        return self._replace(parts=tuple(found.values())[-_MOST_PARTS:])

    def with_stubs(self, made: Sequence[StoredStubs]) -> Profile:
        """The same with modules of stubs that were compiled since; of many, those with most types."""
        found = [*{stubs.types: stubs for stubs in (*self.stubs, *made)}.values()]
        if len(found) > _MOST_STUBS:
            found = sorted(found, key=lambda stubs: len(stubs.types))[-_MOST_STUBS:]
        return self._replace(stubs=tuple(found))


def encode(profile: Profile, module: Module, name: str = "") -> list[Code]:
    """The profile of a module in pieces, with a checksum, in which the entry's name counts. Raises `EngineError`."""
    codes = [chunk.written() for chunk in profile.chunks]
    lines = [profile.compiler, _whole(profile.whole, module)]
    lines += [f"{_STUBS} {_pairs_text(entry.types)} {len(entry.code)}" for entry in profile.stubs]
    lines += [
        f"{_CHUNK} {one.number} {_text(one.functions)} {_text(one.imports)} {_pairs_text(one.guards)} "
        f"{_text(one.named.values())} {int(one.changes_tables)} {'all' if one.globals is None else _text(one.globals)} "
        f"{one.bodies} {len(code)}"
        for one, code in zip(profile.chunks, codes, strict=True)
    ]
    lines += [f"{_PART} {entry.name} {len(entry.code)}" for entry in profile.parts]
    head = "\n".join(lines).encode()
    pieces: list[Code] = [len(head).to_bytes(_LENGTH, "little"), head]
    pieces += [entry.code for entry in profile.stubs]
    pieces += codes
    pieces += [entry.code for entry in profile.parts]
    return [_MAGIC, checksum(name.encode(), *pieces), *pieces]


def decode(data: bytes | Large, module: Module, name: str = "") -> Profile | None:
    """The profile of that module; None for anything that `encode` did not write for an entry of that name.

    Where some of the module's functions are others than those that were compiled, it is that of the rest.
    """
    start = len(_MAGIC) + CHECKSUM
    view = memoryview(data)
    if not data.startswith(_MAGIC) or checksum(name.encode(), view[start:]) != data[len(_MAGIC) : start]:
        return None
    try:
        at = start + _LENGTH + int.from_bytes(data[start : start + _LENGTH], "little")
        compiler, whole, *lines = data[start + _LENGTH : at].decode().split("\n")
        found: dict[str, list[Any]] = {_STUBS: [], _CHUNK: [], _PART: []}
        for line in lines:
            kind, *fields, size = line.split(" ")
            end = at + int(size)
            found[kind].append(_MADE[kind](data[at:end] if isinstance(data, bytes) else view[at:end], *fields))
            at = end
        chunks: list[StoredChunk] = found[_CHUNK]
        if at != len(data) or not all(_is_of(module, chunk) for chunk in chunks):
            return None
        same = tuple(chunk for chunk in chunks if module.bodies_fingerprint(chunk.functions) == chunk.bodies)
        return Profile(compiler, _reason(whole, module), tuple(found[_STUBS]), same, tuple(found[_PART]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        return None


#: What a line of the index is about, by its first word. JSON would take longer to import than to read all of it.
_STUBS, _CHUNK, _PART = "stubs", "chunk", "part"


def _stubs(code: Code, types: str) -> StoredStubs:
    return StoredStubs(_pairs(types), code)


def _chunk(
    code: Code,
    number: str,
    functions: str,
    imports: str,
    guards: str,
    named: str,
    changes: str,
    globals_: str,
    bodies: str,
) -> StoredChunk:
    return StoredChunk(
        int(number),
        _numbers(functions),
        _numbers(imports),
        _pairs(guards),
        {f"r{function}": function for function in _numbers(named)},
        bool(int(changes)),
        None if globals_ == "all" else _numbers(globals_),
        bodies,
        code,
    )


def _part(code: Code, name: str) -> StoredPart:
    return StoredPart(name, code)


_MADE: dict[str, Callable[..., StoredStubs | StoredChunk | StoredPart]] = {
    _STUBS: _stubs, _CHUNK: _chunk, _PART: _part,
}  # fmt: skip


def _text(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers)) or "-"


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(map(int, text.split(",")))


def _pairs_text(pairs: Iterable[tuple[int, int]]) -> str:
    return _text(number for pair in pairs for number in pair)


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    numbers = _numbers(text)
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _whole(whole: Reason | None, module: Module) -> str:
    """Why a module is compiled as a whole, and of which code that holds: whatever is in the way is in some body."""
    if whole is None:
        return ""
    import json  # for texts that may hold anything

    return json.dumps((*whole, module.code_fingerprint))


def _reason(text: str, module: Module) -> Reason | None:
    if not text:
        return None
    import json

    code, said, of_code = json.loads(text)
    return Reason(str(code), str(said)) if of_code == module.code_fingerprint else None


def _is_of(module: Module, chunk: StoredChunk) -> bool:
    """Whether a chunk can be one of that module: whether all that it names exists."""
    known, first = len(module.function_types), module.imported_functions
    mentioned = (*chunk.functions, *chunk.imports, *chunk.named.values())
    return (
        min(chunk.functions) >= first
        and min(mentioned) >= 0
        and max(mentioned) < known
        and all(0 <= index < len(module.globals) for index in chunk.globals or ())
        and all(
            (opcode == THROW and target == 0 and module.tags)
            or (opcode in GROWTH and 0 <= target < len(module.memories if opcode == MEMORY_GROW else module.tables))
            for opcode, target in chunk.guards
        )
    )
