"""The chunks of one instance, made and compiled: when one is needed, or ahead."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ffi
from ..profile import StoredChunk
from ..values import Unsuited
from .ahead import Ahead
from .bodies import Bodies
from .chunk import Choice, Chunk, assemble, choose, shared_imports
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
        self._ahead = Ahead(prepared.compile_chunk)
        self._choices: dict[int, Choice] = {}  # of chunks that are compiled ahead, by their numbers
        self.bodies = Bodies(self._module, prepared.erases)
        self.new: list[StoredChunk] = []

    def get(self, function: int) -> tuple[Chunk, ffi.Module]:
        """A chunk with that function, compiled. Raises `Unsuited`."""
        return self._stored(function) or self._make(function)

    def expect(self, functions: Sequence[int]) -> None:
        """Has those compiled ahead that no chunk has yet."""
        for function in functions:
            self._order([function])

    def end(self) -> None:
        """Nothing more is needed: what is not begun is not compiled."""
        self._ahead.end()
        self.bodies.close()

    def _stored(self, function: int) -> tuple[Chunk, ffi.Module] | None:
        number = self._prepared.stored_chunks.get(function)
        if number is None:
            return None
        stored = self._prepared.stored.chunks[number]
        engine, module = stored.live or (None, None)
        if engine is not self._prepared.engine:
            module = self._prepared.load_stored(stored)
        if module is None:
            return None
        return Chunk(b"", f"{self._prefix}{stored.number}", *stored[1:7]), module

    def _make(self, function: int) -> tuple[Chunk, ffi.Module]:
        ready = self._ahead.take(function)
        if ready is None:
            number, chunk, choice = self._assemble([function])
            if len(self.new) < SOME:
                choice = choice._replace(long=[])
            if choice.long or choice.rest:
                module = self._ahead.beside(number, chunk, lambda: self._follow(choice))
            else:
                module = self._prepared.compile_chunk(chunk.wasm)
        else:
            number, chunk, module = ready
            self._follow(self._choices.pop(number))
        live, bodies = None, ""
        if self._prepared.keeps_code:
            live, bodies = (self._prepared.engine, module), self._module.bodies_fingerprint(chunk.functions)
        self.new.append(StoredChunk(number, *chunk[2:], bodies, b"", live))
        return chunk._replace(wasm=b""), module

    def _follow(self, choice: Choice) -> None:
        """Has compiled ahead what a chunk calls and does not hold."""
        rest = choice.rest
        while rest:
            rest = self._order(rest)
        self.expect(choice.long)

    def _order(self, first: Sequence[int]) -> list[int]:
        """Has a chunk with those compiled ahead that no chunk has yet. What is left of them, for another chunk."""
        first = [function for function in first if function not in self._taken and self.bodies.is_known(function)]
        if not first:
            return []
        try:
            number, chunk, choice = self._assemble(first)
        except Unsuited:
            return []  # that matters once it is called
        asked = set(first)
        left = [function for function in choice.rest if function in asked]
        self._choices[number] = choice._replace(rest=[function for function in choice.rest if function not in asked])
        self._ahead.order(number, chunk)
        return left

    def _assemble(self, first: Sequence[int]) -> tuple[int, Chunk, Choice]:
        """A chunk with the first of those functions, its number, and what was chosen for it."""
        number = self._next_number
        self._next_number += 1
        choice = choose(self._module, self.bodies, first, self._taken, len(self.new))
        chosen = choice.functions
        chunk = assemble(self._module, self.bodies, chosen, f"{self._prefix}{number}", self._shared_imports)
        self._taken.update(chosen)
        self.bodies.forget(chosen)
        return number, chunk, choice
