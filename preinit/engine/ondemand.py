"""Compiling on demand: a function's code is compiled when it is called for the first time.

A build spends its time compiling functions that the initializer never calls, and the engine compiles whole modules: so
it is given small ones. One has the guest's state and no functions (`instrument.instrument_state`); stubs stand for
functions (`stubs`); when one is called, a module with it and some of those that it calls is made (`chunk`), and linked
to the others. A function has several pointers here; nobody outside of this room sees any but the original's index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import wasmtime

from ..binary.constexpr import integer_of
from ..binary.opcodes import MEMORY_GROW
from ..binary.sections import ExternKind, Mode
from ..errors import Frame
from . import ffi
from .chunk import GUARD, PREFIX, Bodies, Chunk, assemble, choose, guard_module, moved, shared_imports
from .guest import GrowthGuard, StateCode, original_frame
from .instance import EngineInstance, Linkage, Linker
from .runtime import DEEP_STACK, TABLE_ELEMENTS, Deadline, EngineSettings, new_engine, new_store
from .stubs import Stubs
from .validation import first_line
from .values import EngineError, GuestTrapped, RawFrame, Unsuited

#: Instances that a store may have: one for each chunk, and those of stubs.
_INSTANCES = 1 << 30


class _Loaded(NamedTuple):
    """A chunk that was instantiated."""

    chunk: Chunk
    instance: Any


class OnDemandInstance(EngineInstance):
    """An instance of a module of which only what is called gets compiled."""

    def __init__(self, guest: OnDemandGuest, store: wasmtime.Store, link: Linker, deadline: Deadline) -> None:
        super().__init__(store, deadline)
        self._guest = guest
        self._code = guest.code
        self._module = guest.code.original
        self._stubs = Stubs(self._module, guest.tail_calls)
        self._bodies = Bodies(self._module)
        self._shared_imports = shared_imports(self._module)
        self._chunks: list[_Loaded] = []
        self._loaded: dict[int, tuple[int, int]] = {}  # function -> number of its chunk, position in that
        self._direct: dict[int, Any] = {}  # function -> an extern that needs no stub
        self._guards: dict[tuple[int, int], Any] = {}
        self._stub_modules: list[wasmtime.Module] = []
        try:
            imports = link(Linkage(store, self._functions, guest.preloads))
            kinds = [entry.kind for entry in self._module.imports]
            self._imports = [e for e, kind in zip(imports, kinds, strict=True) if kind == ExternKind.FUNC]
            self._instance = ffi.instantiate(store, guest.state, imports)
        except GuestTrapped as trap:
            raise Unsuited(f"instantiating it trapped: {first_line(trap)}") from trap
        except EngineError as problem:
            raise Unsuited(f"it can't be instantiated: {first_line(problem)}") from problem
        self._write_data(self._module.data, self._code.data)
        names = (*self._code.tables, *self._code.memories, *self._code.globals, *self._code.tags)
        self._shared = [self._export(name) for name in names]
        capacity = self._stubs.capacity
        if capacity > TABLE_ELEMENTS:
            raise Unsuited("it has too many functions and types")
        self._link = ffi.new_function_table(store, capacity)
        self._stub_table = ffi.new_function_table(store, capacity)
        fault = self._functions.define(("i32",), (), self._fault)
        self._stub_imports = [fault, self._link, self._stub_table, ffi.new_counter(store)]
        self._fill_tables()

    # -- stubs ---------------------------------------------------------------------------------------------------------

    def _fill_tables(self) -> None:
        """Does what active element segments do."""
        segments = [s for s in self._module.elements if s.mode is Mode.ACTIVE and s.length]
        named = {f for segment in segments for f in segment.functions if f >= self._module.imported_functions}
        if named:
            self._add_stub_module({self._stubs.type_of(function) for function in named})
        for segment in segments:
            start = integer_of(segment.offset) if segment.offset else None
            table = self._export(self._code.tables[segment.table])
            if start is None or start + segment.length > ffi.table_size(self._store, table):
                raise Unsuited("an element segment does not fit its table")
            first = self._module.imported_functions
            if min(segment.functions) >= first:
                ffi.copy_functions(self._store, self._stub_table, map(self._slot, segment.functions), table, start)
                continue
            for index, function in enumerate(segment.functions, start):
                ffi.set_function(self._store, table, index, self._extern(function))

    def _slot(self, function: int) -> int:
        """The slot of a function's stub."""
        stubs = self._stubs
        slot = stubs.slot_of.get(function)
        if slot is not None:
            return slot
        number = stubs.module_for(function)
        if number is not None:
            if number < 0:
                self._add_stub_module(None)
                number = len(stubs.modules) - 1
            self._instantiate(self._stub_modules[number], self._stub_imports)
            stubs.instantiated(number)
        return stubs.take(function)

    def _add_stub_module(self, types: Iterable[int] | None) -> None:
        self._stub_modules.append(self._compile(self._stubs.add_module(types).wasm))

    def _compile(self, wasm: bytes) -> wasmtime.Module:
        try:
            return ffi.compile_module(self._guest.engine, wasm)
        except EngineError as problem:
            other = "cranelift" if self._guest.compiler == "winch" else None
            raise Unsuited(f"the engine refuses a part of it: {first_line(problem)}", other) from problem

    def _instantiate(self, module: wasmtime.Module, externs: Sequence[Any]) -> Any:
        try:
            return ffi.instantiate(self._store, module, externs)
        except EngineError as problem:  # too little memory, perhaps; what doesn't link was found before
            raise Unsuited(f"a part of it can't be instantiated: {first_line(problem)}") from problem

    # -- functions -----------------------------------------------------------------------------------------------------

    def _fault(self, slot: int) -> None:
        """Called by a stub whose function is not loaded."""
        self._deadline.check()
        self._load(self._stubs.functions[slot])

    def _extern(self, function: int) -> Any:
        """What to import, or to put into a table, for a function: itself once it is loaded, else its stub."""
        if function < self._module.imported_functions:
            return self._imports[function]
        extern = self._direct.get(function)
        if extern is None:
            place = self._loaded.get(function)
            if place is None:
                return ffi.get_function(self._store, self._stub_table, self._slot(function))
            number, position = place
            extern = self._direct[function] = ffi.export(self._store, self._chunks[number].instance, str(position))
        return extern

    def _load(self, function: int) -> None:
        number = len(self._chunks)
        chosen = choose(self._module, self._bodies, function, self._loaded)
        chunk = assemble(self._module, self._bodies, chosen, number, self._shared_imports)
        externs = [*map(self._extern, chunk.imports), *map(self._guard, chunk.guards), *self._shared]
        instance = self._instantiate(self._compile(chunk.wasm), externs)
        self._chunks.append(_Loaded(chunk._replace(wasm=b""), instance))
        self._bodies.forget(chunk.functions)
        self.__dict__.pop("_functions_by_pointer", None)  # there are more now
        slots = self._stubs.slot_of
        for position, loaded in enumerate(chunk.functions):
            self._loaded[loaded] = (number, position)
            if loaded in slots:
                ffi.set_function(self._store, self._link, slots[loaded], self._extern(loaded))

    def _guard(self, growth: tuple[int, int]) -> Any:
        extern = self._guards.get(growth)
        if extern is None:
            opcode, target = growth
            names = self._code.memories if opcode == MEMORY_GROW else self._code.tables
            module = self._compile(guard_module(self._module, opcode, target))
            instance = self._instantiate(module, [self._export(names[target])])
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

    # -- what others see -----------------------------------------------------------------------------------------------

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        shifts: dict[tuple[int, int], list[tuple[int, int]]] = {}
        result = []
        for frame in frames:
            if frame.module is None or not frame.module.startswith(PREFIX):
                continue
            chunk = self._chunks[int(frame.module.removeprefix(PREFIX))].chunk
            position = frame.function - len(chunk.imports) - len(chunk.guards)
            function = chunk.functions[position]
            key = (id(chunk), position)
            if key not in shifts:  # a deep recursion has many frames of one function
                shifts[key] = moved(self._module, self._bodies, chunk, position)
            result.append(original_frame(self._module, function, frame.offset, shifts[key]))
        return tuple(frame for frame in result if frame)

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        if not frames or not (frames[0].module or "").startswith(GUARD):
            return None
        opcode, target = map(int, (frames[0].module or "").removeprefix(GUARD).split(":"))
        return GrowthGuard("memory" if opcode == MEMORY_GROW else "table", target)

    def resolve_function(self, pointer: bytes) -> int | None:
        return self._functions_by_pointer.get(pointer)

    def compiled(self) -> tuple[int, int, int]:
        bodies = map(self._bodies.range, self._loaded)
        return len(self._loaded), sum(body.end - body.start for body in bodies), len(self._chunks)

    @cached_property
    def _functions_by_pointer(self) -> dict[bytes, int]:
        host = (ffi.function_pointer(extern) for extern in self._imports)
        result = {pointer: index for index, pointer in enumerate(host) if pointer}
        stubs = ffi.table_values(self._store, self._stub_table)
        result |= {v.bits: f for v, f in zip(stubs, self._stubs.functions, strict=False) if f >= 0}
        for loaded in self._chunks:
            for name, function in loaded.chunk.named.items():
                pointer = ffi.function_pointer(ffi.export(self._store, loaded.instance, name))
                if pointer:
                    result[pointer] = function
        return result


class OnDemandGuest(NamedTuple):
    """A module whose state is compiled, and nothing else."""

    code: StateCode
    compiler: str
    interruptible: bool
    engine: wasmtime.Engine
    state: wasmtime.Module
    preloads: Mapping[str, wasmtime.Module]

    @property
    def tail_calls(self) -> bool:
        """Whether the engine has them: then stubs need no stack, where the guest counts on that."""
        return self.compiler != "winch"

    def instantiate(self, max_memory: int, link: Linker, deadline: Deadline) -> OnDemandInstance:
        """A fresh instance; nothing of the guest has run in it. `max_memory` in bytes for each memory.

        Raises `Unsuited`, and what `link` raises.
        """
        deadline.watch(self.engine)
        store = new_store(self.engine, max_memory, self.interruptible, _INSTANCES)
        deadline.check()
        return OnDemandInstance(self, store, link, deadline)


def prepare_guest(
    code: StateCode, settings: EngineSettings, preloads: Mapping[str, bytes] | None = None
) -> OnDemandGuest:
    """Compiles what is needed before the guest runs. Raises `Unsuited`."""
    engine = new_engine(settings, DEEP_STACK)
    try:
        state = ffi.compile_module(engine, code.wasm)
        beside = {name: ffi.compile_module(engine, wasm) for name, wasm in (preloads or {}).items()}
    except EngineError as problem:
        other = "cranelift" if settings.compiler == "winch" else None
        raise Unsuited(f"the engine refuses a part of it: {first_line(problem)}", other) from problem
    return OnDemandGuest(code._replace(wasm=b""), settings.compiler, settings.interruptible, engine, state, beside)
