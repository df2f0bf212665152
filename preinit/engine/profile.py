"""What a build learnt about a module, for the next build of it: which functions are called, and their code.

https://docs.wasmtime.dev/api/wasmtime/struct.Module.html#method.serialize : compiled code is run as it is, so a
profile is taken only from a folder that nobody else can write to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..binary.digest import fingerprint
from ..binary.growth import GROWTH
from ..binary.module import Module
from ..binary.opcodes import MEMORY_GROW, THROW
from ..errors.reason import Reason
from ..tuples import NamedTuple
from . import ffi

#: The number is that of the form of profiles, stubs and chunks: code that was made in another form is not used.
_MAGIC = b"preinit profile 6\n"
_DIGEST = 32
_LENGTH = 8


class StoredStubs(NamedTuple):
    """A compiled module of stubs: see `stubs.StubModule`."""

    types: tuple[tuple[int, int], ...]
    code: bytes


class StoredPart(NamedTuple):
    """Another compiled module that each instance needs: `name` is a fingerprint of what was compiled."""

    name: str
    code: bytes


#: Parts that a profile has: each limit of memory has others.
_MOST_PARTS = 64


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
    code: bytes
    live: LiveCode | None = None

    def written(self) -> bytes:
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


def encode(profile: Profile, module: Module, name: str = "") -> list[bytes]:
    """The profile of a module in pieces, with a checksum, in which the entry's name counts. Raises `EngineError`."""
    codes = [chunk.written() for chunk in profile.chunks]
    index = {
        "compiler": profile.compiler,
        "whole": profile.whole,
        "code": module.code_fingerprint if profile.whole else "",
        "stubs": [(entry.types, len(entry.code)) for entry in profile.stubs],
        "parts": [(entry.name, len(entry.code)) for entry in profile.parts],
        "chunks": [
            (*c[:5], int(c.changes_tables), c.globals, c.bodies, len(code))
            for c, code in zip(profile.chunks, codes, strict=True)
        ],
    }
    import json  # not every build has a profile

    head = json.dumps(index, separators=(",", ":")).encode()
    pieces = [len(head).to_bytes(_LENGTH, "little"), head]
    pieces += [entry.code for entry in profile.stubs]
    pieces += codes
    pieces += [entry.code for entry in profile.parts]
    return [_MAGIC, fingerprint(name.encode(), *pieces), *pieces]


def decode(data: bytes, module: Module, name: str = "") -> Profile | None:
    """The profile of that module; None for anything that `encode` did not write for an entry of that name.

    Where some of the module's functions are others than those that were compiled, it is that of the rest.
    """
    start = len(_MAGIC) + _DIGEST
    view = memoryview(data)
    if not data.startswith(_MAGIC) or fingerprint(name.encode(), view[start:]) != data[len(_MAGIC) : start]:
        return None
    try:
        at = start + _LENGTH + int.from_bytes(data[start : start + _LENGTH], "little")
        import json

        index: dict[str, Any] = json.loads(data[start + _LENGTH : at])
        codes: list[bytes] = []
        for size in [entry[-1] for entry in index["stubs"] + index["chunks"] + index["parts"]]:
            codes.append(data[at : at + size])
            at += size
        stubs = [StoredStubs(_pairs(types), code) for (types, _), code in zip(index["stubs"], codes, strict=False)]
        chunks = [
            StoredChunk(
                int(number),
                _numbers(functions),
                _numbers(imports),
                _pairs(guards),
                _named(named),
                bool(changes),
                None if globals_ is None else _numbers(globals_),
                str(bodies),
                code,
            )
            for (number, functions, imports, guards, named, changes, globals_, bodies, _), code in zip(
                index["chunks"], codes[len(stubs) : len(codes) - len(index["parts"])], strict=True
            )
        ]
        named = zip(index["parts"], codes[len(codes) - len(index["parts"]) :], strict=True)
        parts = tuple(StoredPart(str(name), code) for (name, _), code in named)
        if at != len(data) or not all(_is_of(module, chunk) for chunk in chunks):
            return None
        same = tuple(chunk for chunk in chunks if module.bodies_fingerprint(chunk.functions) == chunk.bodies)
        # Whatever is in the way of compiling it on demand is in some body.
        whole = _reason(index["whole"])
        if whole and index["code"] != module.code_fingerprint:
            whole = None
        return Profile(str(index["compiler"]), whole, tuple(stubs), same, parts)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        return None


def _reason(stored: object) -> Reason | None:
    if stored is None:
        return None
    if not isinstance(stored, list):
        raise TypeError("no reason")
    code, text = stored
    return Reason(str(code), str(text))


def _is_of(module: Module, chunk: StoredChunk) -> bool:
    """Whether a chunk can be one of that module: whether all that it names exists."""
    known, first = len(module.function_types), module.imported_functions
    mentioned = (*chunk.functions, *chunk.imports, *chunk.named.values())
    return (
        min(chunk.functions) >= first
        and min(mentioned) >= 0
        and max(mentioned) < known
        and all(0 <= index < len(module.globals) for index in chunk.globals or ())
        and all(name == f"r{function}" for name, function in chunk.named.items())
        and all(
            (opcode == THROW and target == 0 and module.tags)
            or (opcode in GROWTH and 0 <= target < len(module.memories if opcode == MEMORY_GROW else module.tables))
            for opcode, target in chunk.guards
        )
    )


def _numbers(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(int, values))


def _named(values: Mapping[str, int]) -> dict[str, int]:
    return {name: int(function) for name, function in values.items()}


def _pairs(values: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(first), int(second)) for first, second in values)
