"""The stubs of one instance: they are made when they are needed, and linked to functions when those are loaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from ...tuples import NamedTuple
from .. import ffi
from ..profile import StoredPart, StoredStubs
from ..runtime import TABLE_ELEMENTS, beside
from ..tables import table_values
from ..values import RawValue, Unsuited
from .filler import filler_module, memory_needed
from .prepared import Prepared
from .stubs import StubModule, Stubs

#: Functions from which on a module that puts them into a table is compiled.
_MANY = 500

#: Functions from which on they get their slots while the module of their stubs is compiled.
_WORTH_A_THREAD = 500

#: Modules of stubs from which on the next one has all types that are left. While CPython starts, 12 of its 855 types
#: are needed besides those of its tables; but each module takes some time, too.
_FEW_MODULES = 8

#: Types from which on the code of a module of stubs is kept, though nothing else is new: others are compiled as fast.
_MANY_TYPES = 32

#: Where a function was put, as one number, for there are tens of thousands: which fill it was, above these bits, and
#: its place in that.
_PLACE = 32
_PLACES = (1 << _PLACE) - 1


class StubTable:
    """Stubs of the functions of `prepared`'s guest. `fault`, an extern, is called with the slot of one not loaded.

    `max_memory`: bytes that a memory in the store may have.
    """

    def __init__(self, prepared: Prepared, store: ffi.Store, fault: Any, max_memory: int) -> None:
        self._prepared = prepared
        self._max_memory = max_memory
        self._store = store
        self._stubs = Stubs(prepared.code.original, prepared.tail_calls)
        self._modules: list[ffi.Module] = []
        self._fills: list[tuple[Any, int]] = []  # a table, and from where on stubs were put there
        self._filled: dict[int, int | tuple[int, ...]] = {}  # function -> where it was put: see `_PLACE`
        self._stub_of: dict[bytes, RawValue] = {}  # what took the place of a stub in a table -> the stub
        self.compiled: list[StoredStubs] = []  # what no earlier build had
        self.parts: list[StoredPart] = []  # the same of other parts
        capacity = self._stubs.capacity
        if capacity > TABLE_ELEMENTS:
            raise Unsuited("too-many-functions", "it has too many functions and types")
        self._link = ffi.new_function_table(store, capacity)
        self._table = ffi.new_function_table(store, capacity)
        self._imports = [fault, self._link, self._table, ffi.new_counter(store)]

    def function_of(self, slot: int) -> int:
        return self._stubs.functions[slot]

    def extern(self, function: int) -> Any:
        """The stub of a function."""
        return ffi.get_function(self._store, self._table, self._slot(function))

    @property
    def is_news(self) -> bool:
        """Whether what was compiled is worth keeping, though no chunk is new."""
        return bool(self.parts) or any(len(stubs.types) >= _MANY_TYPES for stubs in self.compiled)

    def stands_for(self, function: int) -> bool:
        """Whether there is a stub of the function."""
        return function in self._stubs.slot_of

    def link(self, function: int, extern: Any) -> None:
        """Has a function's stub call `extern` from now on; in tables, `extern` takes its place."""
        slot = self._stubs.slot_of[function]
        ffi.set_function(self._store, self._link, slot, extern)
        places = self._filled.get(function, ())
        if places == ():
            return
        stub = ffi.function_pointer(ffi.get_function(self._store, self._table, slot))
        for place in (places,) if isinstance(places, int) else places:
            table, start = self._fills[place >> _PLACE]
            # The guest may have put something else there. What the table holds now is the same function to it.
            if stub and ffi.replace_function(self._store, table, start + (place & _PLACES), stub, extern):
                self._stub_of[ffi.function_pointer(extern) or b""] = RawValue("func", stub)

    def prepare(self, functions: Iterable[int]) -> None:
        """Makes stubs for all these functions at once."""
        needed = [function for function in functions if function not in self._stubs.slot_of]
        if needed:
            self._make(needed)

    def fill(self, table: Any, is_64: bool, start: int, functions: Sequence[int]) -> None:
        """Puts the stubs of `functions`, which are prepared, into a table, from `start` on."""
        places = count(len(self._fills) << _PLACE)
        self._fills.append((table, start))
        if len(set(functions)) == len(functions) and self._filled.keys().isdisjoint(functions):
            self._filled.update(zip(functions, places, strict=False))
        else:
            for function, place in zip(functions, places, strict=False):
                known = self._filled.get(function, ())
                self._filled[function] = (*((known,) if isinstance(known, int) else known), place)
        slots = list(map(self._stubs.slot_of.__getitem__, functions))
        if len(slots) < _MANY or memory_needed(len(slots)) > self._max_memory:
            ffi.copy_functions(self._store, self._table, slots, table, start)
        else:
            filler = self._prepared.part(filler_module(slots, start, is_64), self.parts)
            self._prepared.instantiate(self._store, filler, [self._table, table])

    def pointers(self) -> dict[bytes, int]:
        """The identity of each stub, and of what took its place in a table -> its function."""
        functions = self._stubs.functions
        values = table_values(self._store, self._table, range(len(functions)))
        stubs = {v.bits: f for v, f in zip(values, functions, strict=True) if f >= 0}
        return stubs | {direct: stubs[stub.bits] for direct, stub in self._stub_of.items()}

    @property
    def replaced(self) -> Mapping[bytes, RawValue]:
        """What took the place of a stub in a table -> the stub."""
        return self._stub_of

    def _slot(self, function: int) -> int:
        slot_of = self._stubs.slot_of
        if function not in slot_of:
            self._make([function])
        return slot_of[function]

    def _make(self, functions: Sequence[int]) -> None:
        """Makes stubs for functions that have none."""
        by_type = self._stubs.by_type(functions)
        unknown = self._stubs.unknown(by_type)
        if unknown:
            stored = self._stored(unknown)
            types = dict(stored.types) if stored else unknown if len(self._modules) < _FEW_MODULES else None
            made = self._stubs.add_module(types)
            if stored:  # as `fits` has it, `made` is what that module has
                self._modules.append(stored.module)
                instances = self._stubs.take(by_type)
            elif len(functions) < _WORTH_A_THREAD:
                self._compile(made, self._stubs.wasm(made))
                instances = self._stubs.take(by_type)
            else:
                with beside(partial(self._compile, made, self._stubs.wasm(made))):
                    instances = self._stubs.take(by_type)
        else:
            instances = self._stubs.take(by_type)
        for number, needed in instances.items():
            for _ in range(needed):
                self._prepared.instantiate(self._store, self._modules[number], self._imports)

    def _stored(self, types: Collection[int]) -> _Stored | None:
        """A module that an earlier build compiled, and that has stubs of all those types; None if there is none."""
        for stored in self._prepared.stored.stubs:
            if self._stubs.fits(stored.types, types) and (module := self._prepared.load(stored.code)):
                return _Stored(stored.types, module)
        return None

    def _compile(self, made: StubModule, wasm: bytes) -> None:
        module = self._prepared.compile(wasm)
        if self._prepared.keeps_code:
            self.compiled.append(StoredStubs(made.types, self._prepared.serialize(module)))
        self._modules.append(module)


class _Stored(NamedTuple):
    """See `StubTable._stored`; `types` as those of a `StubModule`."""

    types: tuple[tuple[int, int], ...]
    module: ffi.Module


def as_filled(values: list[RawValue], replaced: Mapping[bytes, RawValue]) -> list[RawValue]:
    """A table's entries, with the stubs that functions took the place of: so a table that did not change shows."""
    known = replaced.get
    return [known(value.bits, value) for value in values] if replaced else values
