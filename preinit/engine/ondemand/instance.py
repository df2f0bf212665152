"""Compiling on demand: a function's code is compiled when it is called for the first time.

A build spends its time compiling functions that the initializer never calls, and the engine compiles whole modules: so
it is given small ones. One has the guest's state and no functions (`instrument.instrument_state`); stubs stand for
functions (`stubs`); when one is called, a module with it and some of those that it calls is made (`chunk`), and linked
to the others. A function has several pointers here; nobody outside of this room sees any but the original's index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from ...binary.constexpr import ConstantExpression, evaluate
from ...binary.growth import counts_together
from ...binary.opcodes import MEMORY_GROW
from ...binary.sections import Export, ExternKind, Mode
from ...binary.types import I32, I64, NUMERIC_SIZES
from ...errors import Frame, StackExhausted
from ...tuples import NamedTuple
from .. import ffi
from ..guest import GrowthGuard, original_frame
from ..instance import EngineInstance, Linkage, Linker
from ..profile import Profile
from ..runtime import Deadline, new_store
from ..validation import first_line
from ..values import EngineError, GuestTrapped, RawFrame, RawValue, Unsuited
from .chunk import PREFIX, Chunk, moved
from .exceptions import THROWN, thrown
from .guards import GUARD, guard_module
from .maker import ChunkMaker
from .prepared import Engines, Prepared
from .stubtable import StubTable, as_filled

#: Instances that a store may have: one for each chunk, and those of stubs.
MOST_INSTANCES = 1 << 30


class _Loaded(NamedTuple):
    """A chunk that was instantiated."""

    chunk: Chunk
    instance: Any
    module: ffi.Module


class OnDemandInstance(EngineInstance):
    """An instance of a module of which only what is called gets compiled."""

    #: Whether it does not matter under which index a reference names a function that is imported twice.
    _tells_imports_apart = False

    def __init__(
        self,
        prepared: Prepared,
        store: ffi.Store,
        max_memory: int,
        link: Linker,
        deadline: Deadline,
        functions: ffi.HostFunctions | None = None,
    ) -> None:
        super().__init__(store, deadline, prepared.code.original, prepared.preloads, functions)
        self._prepared = prepared
        self._code = prepared.code
        self._module = prepared.code.original
        self._maker = ChunkMaker(prepared, self._title_prefix())
        self._chunks: list[_Loaded] = []
        self._numbers: dict[str, int] = {}  # title of a chunk's module -> number of the chunk
        self._loaded: dict[int, tuple[int, int]] = {}  # function -> number of its chunk, position in that
        self._bytes = 0  # of code that is loaded
        self._look: Callable[[], None] | None = None  # see `before_tables_change`
        self._lends_tables = False
        self._direct: dict[int, Any] = {}  # function -> an extern that needs no stub
        self._stub_externs: dict[int, Any] = {}  # the same for its stub
        self._guards: dict[tuple[int, int], Any] = {}
        try:
            linkage = Linkage(store, self._functions, prepared.preloads)
            self._given = imports = link(linkage)
            self._originals, self._lent = linkage.originals, linkage.references
            kinds = [entry.kind for entry in self._module.imports]
            self._imports = [e for e, kind in zip(imports, kinds, strict=True) if kind == ExternKind.FUNC]
            named = [self._originals.get(index, extern) for index, extern in enumerate(self._imports)]
            if not self._tells_imports_apart and len(set(map(ffi.function_pointer, named))) < len(named):
                # A reference to it would name either.
                raise Unsuited("function-imported-twice", "it imports one function twice")
            self._instance = ffi.instantiate(store, prepared.state, imports)
        except GuestTrapped as trap:
            raise Unsuited("instantiation", f"instantiating it trapped: {first_line(trap)}") from trap
        except EngineError as problem:
            raise Unsuited("instantiation", f"it can't be instantiated: {first_line(problem)}") from problem
        names = (*self._code.tables, *self._code.memories, *self._code.globals, *self._code.tags)
        self._shared = [self._export(name) for name in names]
        self._first_global = len(self._code.tables) + len(self._code.memories)
        self._stubs = StubTable(prepared, store, self._functions.define(("i32",), (), self._fault), max_memory)
        self._fill_tables()
        self._write_data(self._module.data, self._code.data)  # after the tables: that decides which trap comes first
        self._maker.expect(prepared.expected)

    def _title_prefix(self) -> str:
        """How the names of chunks begin: those of the store's other modules begin with something else."""
        return PREFIX

    def _fill_tables(self) -> None:
        """Does what active element segments do. Raises `GuestTrap` where one does not fit."""
        segments = [s for s in self._module.elements if s.mode is Mode.ACTIVE]
        first = self._module.imported_functions
        named = dict.fromkeys(chain.from_iterable(segment.functions for segment in segments))
        self._stubs.prepare([function for function in named if function >= first])
        for segment in segments:
            start = self._offset(segment.offset)
            name = self._code.tables[segment.table]
            table = self._export(name)
            if start is None:
                raise Unsuited("instantiation", "an element segment goes to a place that is not known")
            if start + segment.length > ffi.table_size(self._store, table):
                raise self._instantiation_trap("out of bounds table access")
            if min(segment.functions, default=first) >= first:
                self._stubs.fill(table, self._module.tables[segment.table].limits.is_64, start, segment.functions)
                continue
            for index, function in enumerate(segment.functions, start):
                ffi.set_function(self._store, table, index, self._extern(function))

    def _offset(self, expression: ConstantExpression | None) -> int | None:
        """What an offset is, with the globals as they are: those that it names can't change."""
        return evaluate(expression, self._integer) if expression else None

    def _integer(self, index: int) -> int | None:
        kind = self._module.globals[index].type
        if kind not in (I32, I64):
            return None
        bits = self.global_value(self._code.globals[index], NUMERIC_SIZES[kind]).bits
        return int.from_bytes(bits[: NUMERIC_SIZES[kind]], "little")

    # -- functions -----------------------------------------------------------------------------------------------------

    def _fault(self, slot: int) -> None:
        """Called by a stub whose function is not loaded."""
        self._deadline.check()
        self._load(self._stubs.function_of(slot))

    def _extern(self, function: int) -> Any:
        """What to import, or to put into a table, for a function: itself once it is loaded, else its stub."""
        if function < self._module.imported_functions:
            return self._imports[function]
        extern = self._direct.get(function)
        if extern is None:
            place = self._loaded.get(function)
            if place is None:
                stub = self._stub_externs.get(function)
                if stub is None:
                    stub = self._stub_externs[function] = self._stubs.extern(function)
                return stub
            number, position = place
            extern = self._direct[function] = ffi.export(self._store, self._chunks[number].instance, str(position))
        return extern

    def _callees(self, functions: Sequence[int]) -> Sequence[Any]:
        """What a chunk imports for those functions, see `_extern`: the stubs that they lack are made at once."""
        first, loaded = self._module.imported_functions, self._loaded
        self._stubs.prepare(f for f in functions if f >= first and f not in loaded)
        return [*map(self._extern, functions)]

    def lend(self, export: Export) -> Any:
        """See `guest.Instance`."""
        kind, index = ExternKind(export.kind), export.target
        if kind is ExternKind.FUNC:
            return self._extern(index)
        code = self._code
        spaces = {
            ExternKind.TABLE: code.tables, ExternKind.MEMORY: code.memories,
            ExternKind.GLOBAL: code.globals, ExternKind.TAG: code.tags,
        }  # fmt: skip
        self._lends_tables = self._lends_tables or kind is ExternKind.TABLE
        return self._export(spaces[kind][index])

    def _load(self, function: int) -> None:
        """Compiles a function with some others, or takes them from an earlier build, and links them."""
        number = len(self._chunks)
        chunk, module = self._maker.get(function)
        if chunk.changes_tables and self._look:
            look, self._look = self._look, None
            look()
        externs = [*self._callees(chunk.imports), *map(self._guard, chunk.guards), *self._state(chunk.globals)]
        instance = self._prepared.instantiate(self._store, module, externs)
        self._chunks.append(_Loaded(chunk, instance, module))
        self._numbers[chunk.title] = number
        self._maker.bodies.forget(chunk.functions)
        self.__dict__.pop("_functions_by_pointer", None)  # there are more now
        for position, loaded in enumerate(chunk.functions):
            if loaded not in self._loaded:  # chunks of different builds may overlap
                self._bytes += self._maker.bodies.size(loaded)
            self._loaded[loaded] = (number, position)
            if self._stubs.stands_for(loaded):
                self._stubs.link(loaded, self._extern(loaded))

    def _state(self, globals_: Sequence[int] | None) -> Sequence[Any]:
        """The tables, memories, globals and tags that a chunk imports."""
        if globals_ is None:
            return self._shared
        first, end = self._first_global, self._first_global + len(self._code.globals)
        return [*self._shared[:first], *(self._shared[first + index] for index in globals_), *self._shared[end:]]

    def profile(self) -> Profile | None:
        """What to keep for the next build of this module; None if there is nothing new. The guest has ended."""
        self.rest()
        if not self._prepared.keeps_code or not (self._maker.new or self._stubs.is_news):
            return None
        stored = self._prepared.stored
        found = Profile(self._prepared.compiler, None, stored.stubs, (*stored.chunks, *self._maker.new), stored.parts)
        return found.with_parts(self._stubs.parts).with_stubs(self._stubs.compiled)

    def _guard(self, growth: tuple[int, int]) -> Any:
        extern = self._guards.get(growth)
        if extern is None and growth == THROWN:
            extern = self._guards[growth] = self._functions.define((), (), thrown)
        elif extern is None:
            opcode, target = growth
            names = self._code.memories if opcode == MEMORY_GROW else self._code.tables
            guard = guard_module(self._module, opcode, target, self._code.bounds)
            module = self._prepared.part(guard, self._stubs.parts)
            together = counts_together(self._module, opcode, self._code.bounds)
            grown = [self._export(name) for name in (names if together else names[target : target + 1])]
            instance = self._prepared.instantiate(self._store, module, grown)
            extern = self._guards[growth] = ffi.export(self._store, instance, "guard")
        return extern

    def _function(self, name: str) -> Any:
        index = self._code.entries.get(name)
        if index is None:
            exported = self._module.exported(name)
            assert exported is not None, name
            index = exported.target
        if index >= self._module.imported_functions and index not in self._loaded:
            self._load(index)
        return self._extern(index)

    def rest(self) -> None:
        """The guest does not run again: what is not begun is not compiled ahead."""
        self._maker.end()

    def close(self) -> None:
        self.rest()
        super().close()

    # -- what others see -----------------------------------------------------------------------------------------------

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        shifts: dict[tuple[int, int], list[tuple[int, int]]] = {}
        result = []
        for frame in frames:
            if frame.module is None or frame.module not in self._numbers:
                continue
            chunk = self._chunks[self._numbers[frame.module]].chunk
            position = frame.function - len(chunk.imports) - len(chunk.guards)
            function = chunk.functions[position]
            key = (id(chunk), position)
            if key not in shifts:  # a deep recursion has many frames of one function
                shifts[key] = moved(self._module, self._maker.bodies, chunk, position)
            result.append(original_frame(self._module, function, frame.offset, shifts[key]))
        return tuple(frame for frame in result if frame)

    def original_functions(self, frames: Sequence[RawFrame]) -> list[int]:
        result = []
        for frame in frames:
            number = self._numbers.get(frame.module or "")
            if number is not None:
                chunk = self._chunks[number].chunk
                result.append(chunk.functions[frame.function - len(chunk.imports) - len(chunk.guards)])
        return result

    def _modules(self) -> tuple[Sequence[ffi.Module], Callable[[int, int], int | None]]:
        def function_of(number: int, defined: int) -> int | None:
            return self._chunks[number].chunk.functions[defined] if number < len(self._chunks) else None

        return [loaded.module for loaded in self._chunks] + [*self._prepared.preloads.values()], function_of

    def explained(self, trap: GuestTrapped) -> BaseException:
        problem = super().explained(trap)
        if isinstance(problem, StackExhausted) and not self._prepared.tail_calls:
            return Unsuited("stack", "it exhausts the stack, of which stubs take a part", lasting=False)
        return problem

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        if not frames or not (frames[0].module or "").startswith(GUARD):
            return None
        opcode, target = map(int, (frames[0].module or "").removeprefix(GUARD).split(":"))
        return GrowthGuard("memory" if opcode == MEMORY_GROW else "table", target)

    def table_values(self, name: str, places: range | None = None) -> list[RawValue]:
        # A table that did not change is seen as such at once.
        return as_filled(super().table_values(name, places), self._stubs.replaced)

    def before_tables_change(self, look: Callable[[], None]) -> None:
        if (
            self._lends_tables
            or self._module.imported_tables
            or any(chunk.chunk.changes_tables for chunk in self._chunks)
        ):
            look()  # what others have may change whenever they run
        else:
            self._look = look

    def resolve_function(self, pointer: bytes) -> int | None:
        return self._functions_by_pointer.get(pointer)

    def compiled(self) -> tuple[int, int, int]:
        return len(self._loaded), self._bytes, len(self._chunks)

    def reused(self) -> int:
        return len(self._chunks) - len(self._maker.new)

    @cached_property
    def _functions_by_pointer(self) -> dict[bytes, int]:
        host = (ffi.function_pointer(extern) for extern in self._imports)
        result = {pointer: index for index, pointer in enumerate(host) if pointer}
        result |= ffi.function_indices(self._originals.items())
        result |= ffi.function_indices(self._lent)
        result |= self._stubs.pointers()
        for loaded in self._chunks:
            for name, function in loaded.chunk.named.items():
                pointer = ffi.function_pointer(ffi.export(self._store, loaded.instance, name))
                if pointer:
                    result[pointer] = function
        return result


class OnDemandGuest(NamedTuple):
    """A module whose state is compiled, and nothing else, ready to be instantiated any number of times."""

    prepared: Prepared

    @property
    def compiler(self) -> str:
        return self.prepared.compiler

    @property
    def engine(self) -> ffi.Engine:
        """The one that runs it."""
        return self.prepared.engine

    @property
    def engines(self) -> Engines | None:
        """Those that another run of the guest can have, too."""
        return self.prepared.engines

    @property
    def known(self) -> Profile | None:
        """What earlier instances compiled."""
        return self.prepared.stored

    def knowing(self, profile: Profile | None) -> OnDemandGuest:
        """The same guest, for which what an earlier instance compiled needs not be compiled again."""
        return OnDemandGuest(self.prepared.with_code(profile)) if profile else self

    def instantiate(self, max_memory: int, link: Linker, deadline: Deadline) -> OnDemandInstance:
        """A fresh instance; nothing of the guest has run in it. `max_memory` in bytes for each memory.

        Raises `Unsuited`, and what `link` raises.
        """
        engine, interruptible = self.prepared.engine, self.prepared.engines.settings.interruptible
        deadline.watch(engine)
        store = new_store(engine, max_memory, interruptible, MOST_INSTANCES)
        deadline.check()  # after the store has its deadline: whoever cancels from now on, stops the guest
        try:
            return OnDemandInstance(self.prepared, store, max_memory, link, deadline)
        except Unsuited:
            store.close()  # it may have its memory already
            raise
