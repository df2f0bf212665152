"""The stubs of one instance: they are made when they are needed, and linked to functions when those are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import wasmtime

from . import ffi
from .prepared import Prepared
from .profile import StoredStubs
from .runtime import TABLE_ELEMENTS
from .stubs import Stubs
from .values import Unsuited


class StubTable:
    """Stubs of the functions of `prepared`'s guest. `fault`, an extern, is called with the slot of one not loaded."""

    def __init__(self, prepared: Prepared, store: wasmtime.Store, fault: Any) -> None:
        self._prepared = prepared
        self._store = store
        self._stubs = Stubs(prepared.code.original, prepared.tail_calls)
        self._modules: list[wasmtime.Module] = []
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
        """Has a function's stub, if there is one, call `extern` from now on."""
        slot = self._stubs.slot_of.get(function)
        if slot is not None:
            ffi.set_function(self._store, self._link, slot, extern)

    def prepare(self, functions: Iterable[int]) -> None:
        """Compiles what is needed for the stubs of all these functions at once."""
        types = set(map(self._stubs.type_of, functions))
        if types:
            self._add_module(types)

    def fill(self, table: Any, start: int, functions: Iterable[int]) -> None:
        """Puts the stubs of `functions` into a table, from `start` on."""
        ffi.copy_functions(self._store, self._table, map(self._slot, functions), table, start)

    def pointers(self) -> dict[bytes, int]:
        """The identity of each stub -> its function."""
        values = ffi.table_values(self._store, self._table)
        return {v.bits: f for v, f in zip(values, self._stubs.functions, strict=False) if f >= 0}

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
                self.compiled.append(StoredStubs(made.types, ffi.serialize(module)))
        self._modules.append(module)
