"""The stubs of one instance: they are made when they are needed, and linked to functions when those are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import wasmtime

from . import ffi
from .prepared import Prepared
from .profile import StoredStubs
from .runtime import TABLE_ELEMENTS
from .stubs import Stubs
from .values import RawValue, Unsuited


class StubTable:
    """Stubs of the functions of `prepared`'s guest. `fault`, an extern, is called with the slot of one not loaded."""

    def __init__(self, prepared: Prepared, store: wasmtime.Store, fault: Any) -> None:
        self._prepared = prepared
        self._store = store
        self._stubs = Stubs(prepared.code.original, prepared.tail_calls)
        self._modules: list[wasmtime.Module] = []
        self._filled: dict[int, list[tuple[Any, int]]] = {}  # function -> tables, and where in them it was put
        self._stub_of: dict[bytes, bytes] = {}
        self.compiled: list[StoredStubs] = []  # what no earlier build had
        capacity = self._stubs.capacity
        if capacity > TABLE_ELEMENTS:
            raise Unsuited("it has too many functions and types")
        self._link = ffi.new_function_table(store, capacity)
        self._table = ffi.new_function_table(store, capacity)
        self._imports = [fault, self._link, self._table, ffi.new_counter(store)]

    def function_of(self, slot: int) -> int:
        return self._stubs.functions[slot]

    def extern(self, function: int) -> Any:
        """The stub of a function."""
        return ffi.get_function(self._store, self._table, self._slot(function))

    def link(self, function: int, extern: Any) -> None:
        """Has a function's stub, if there is one, call `extern` from now on; in tables, `extern` takes its place."""
        slot = self._stubs.slot_of.get(function)
        if slot is None:
            return
        ffi.set_function(self._store, self._link, slot, extern)
        places = self._filled.get(function)
        if not places:
            return
        stub = ffi.function_pointer(ffi.get_function(self._store, self._table, slot))
        for table, place in places:
            # The guest may have put something else there. What the table holds now is the same function to it.
            if stub and ffi.replace_function(self._store, table, place, stub, extern):
                self._stub_of[ffi.function_pointer(extern) or b""] = stub

    def prepare(self, functions: Iterable[int]) -> None:
        """Compiles what is needed for the stubs of all these functions at once."""
        types = set(map(self._stubs.type_of, functions))
        if types:
            self._add_module(types)

    def fill(self, table: Any, start: int, functions: Sequence[int]) -> None:
        """Puts the stubs of `functions` into a table, from `start` on."""
        for place, function in enumerate(functions, start):
            self._filled.setdefault(function, []).append((table, place))
        ffi.copy_functions(self._store, self._table, map(self._slot, functions), table, start)

    def pointers(self) -> dict[bytes, int]:
        """The identity of each stub, and of what took its place in a table -> its function."""
        functions = self._stubs.functions
        values = ffi.table_values(self._store, self._table, len(functions))
        stubs = {v.bits: f for v, f in zip(values, functions, strict=True) if f >= 0}
        return stubs | {direct: stubs[stub] for direct, stub in self._stub_of.items()}

    def as_filled(self, values: list[RawValue]) -> list[RawValue]:
        """A table's entries, with the stubs that functions took the place of: so a table that did not change shows."""
        stub_of = self._stub_of
        return [RawValue("func", stub_of[v.bits]) if v.bits in stub_of else v for v in values]

    def _slot(self, function: int) -> int:
        stubs = self._stubs
        slot = stubs.slot_of.get(function)
        if slot is not None:
            return slot
        number = stubs.module_for(function)
        if number is not None:
            if number < 0:
                self._add_module(None)
                number = len(stubs.modules) - 1
            self._prepared.instantiate(self._store, self._modules[number], self._imports)
            stubs.instantiated(number)
        return stubs.take(function)

    def _add_module(self, types: Iterable[int] | None) -> None:
        made = self._stubs.add_module(types)
        stored = next((s for s in self._prepared.stored.stubs if s.types == made.types), None)
        module = self._prepared.load(stored.code) if stored else None
        if module is None:
            module = self._prepared.compile(made.wasm)
            if self._prepared.keeps_code:
                self.compiled.append(StoredStubs(made.types, self._prepared.serialize(module)))
        self._modules.append(module)
