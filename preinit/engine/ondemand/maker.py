"""The chunks of one instance, made and compiled: when one is needed, or ahead."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ffi
from ..profile import StoredChunk
from ..values import Unsuited
from .ahead import Ahead
from .bodies import Bodies
from .chunk import Chunk, assemble, choose, shared_imports
from .prepared import Prepared

#: Of so many chunks that an instance needed anew, nothing is compiled ahead: the guest may end before it comes to that.
SOME = 8


class ChunkMaker:
    """Makes chunks of `prepared`'s guest; `new` are those that no earlier build had and that were needed.

    `prefix`: how the names of their modules begin.
    """

    def __init__(self, prepared: Prepared, prefix: str) -> None:
        self._prepared = prepared
        self._prefix = prefix
        self._module = prepared.code.original
        self._shared_imports = shared_imports(self._module, prepared.erases)
        self._next_number = 1 + max((chunk.number for chunk in prepared.stored.chunks), default=-1)
        self._taken = set(prepared.stored_chunks)  # functions that some chunk has
        self._ahead = Ahead(prepared.compile)
        self._long: dict[int, list[int]] = {}  # number of a chunk that is compiled ahead -> see `chunk.Choice`
        self.bodies = Bodies(self._module, prepared.erases)
        self.new: list[StoredChunk] = []

    def get(self, function: int) -> tuple[Chunk, ffi.Module]:
        """A chunk with that function, compiled. Raises `Unsuited`."""
        return self._stored(function) or self._make(function)

    def expect(self, functions: Sequence[int]) -> None:
        """Has those compiled ahead that no chunk has yet."""
        for function in functions:
            if function in self._taken or not self.bodies.is_known(function):
                continue
            try:
                number, chunk, long = self._assemble(function)
            except Unsuited:
                continue  # that matters once it is called
            self._long[number] = long
            self._ahead.order(number, chunk)

    def end(self) -> None:
        """Nothing more is needed: what is not begun is not compiled."""
        self._ahead.end()

    def _stored(self, function: int) -> tuple[Chunk, ffi.Module] | None:
        number = self._prepared.stored_chunks.get(function)
        if number is None:
            return None
        stored = self._prepared.stored.chunks[number]
        engine, module = stored.live or (None, None)
        if engine is not self._prepared.engine:
            module = self._prepared.load(stored.written())
        if module is None:
            return None
        return Chunk(b"", f"{self._prefix}{stored.number}", *stored[1:7]), module

    def _make(self, function: int) -> tuple[Chunk, ffi.Module]:
        ready = self._ahead.take(function)
        if ready is None:
            number, chunk, long = self._assemble(function)
            if len(self.new) >= SOME:
                self.expect(long)
            module = self._prepared.compile(chunk.wasm)
        else:
            number, chunk, module = ready
            self.expect(self._long.pop(number))
        live = (self._prepared.engine, module) if self._prepared.keeps_code else None
        bodies = self._module.bodies_fingerprint(chunk.functions)
        self.new.append(StoredChunk(number, *chunk[2:], bodies, b"", live))
        return chunk._replace(wasm=b""), module

    def _assemble(self, function: int) -> tuple[int, Chunk, list[int]]:
        """A chunk with that function, its number, and functions that it calls and that are too long for it."""
        number = self._next_number
        self._next_number += 1
        chosen, long = choose(self._module, self.bodies, function, self._taken, len(self.new))
        chunk = assemble(self._module, self.bodies, chosen, f"{self._prefix}{number}", self._shared_imports)
        self._taken.update(chosen)
        self.bodies.forget(chosen)
        return number, chunk, long
