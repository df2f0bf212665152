"""Reading large tables of functions.

From the host, each entry takes a call of a microsecond. So a function of ours gives many of them as its results, which
the engine passes as raw values: of a function, that is the address by which it is known here, too. It takes 0.6 ms to
compile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..binary import assembler as code
from ..binary import encoder as write
from ..binary import externs
from ..binary.module import SectionId
from ..binary.sections import ExternKind, Table
from ..binary.types import FUNCREF, I32, FuncType, Limits
from . import ffi
from .guest import GENERATED
from .room import has_limit
from .values import EngineError, GuestTrapped, RawValue

#: Entries of a table from which on that is worth it.
_MANY = 2_000

#: Entries that one call gives: to compile that takes 20 us for each, with Cranelift 60.
_AT_ONCE = 32


def table_values(store: ffi.Store, extern: Any, places: range | None = None) -> list[RawValue]:
    """What a table holds.

    `places`: which entries to read, one after the other, if not all. Raises `IndexError`.
    """
    size = ffi.table_size(store, extern)
    places = range(size) if places is None else places
    if len(places) < _MANY or places.step != 1 or places.stop > size or has_limit():
        return ffi.table_values(store, extern, places)
    read = _reader(store, extern)
    if read is None:
        return ffi.table_values(store, extern, places)
    pointers: list[int] = []
    try:
        for start in range(places.start, places.stop, _AT_ONCE):
            first = min(start, places.stop - _AT_ONCE)
            pointers += read(first)[start - first :]
    except (EngineError, GuestTrapped):  # the time of code that can be stopped is over
        return ffi.table_values(store, extern, places)
    found = ffi.functions_at(store, pointers)
    if not _are_addresses(store, extern, places, pointers, found):
        store.readers[ffi.table_identity(extern)] = None
        return ffi.table_values(store, extern, places)
    return found


def _are_addresses(
    store: ffi.Store, extern: Any, places: range, pointers: Sequence[int], found: Sequence[RawValue]
) -> bool:
    """Whether raw values are the addresses that values have: that is what the engine does, and nothing that it says."""
    first = next((number for number, pointer in enumerate(pointers) if pointer), None)
    return first is None or ffi.table_values(store, extern, places[first : first + 1]) == [found[first]]


def _reader(store: ffi.Store, extern: Any) -> Callable[[int], list[int]] | None:
    """What gives the addresses of the functions from one entry on. None where the table is of another kind."""
    key = ffi.table_identity(extern)
    if key not in store.readers:
        try:
            store.readers[key] = _new_reader(store, extern)
        except (EngineError, GuestTrapped):
            store.readers[key] = None
    return store.readers[key]


def _new_reader(store: ffi.Store, extern: Any) -> Callable[[int], list[int]]:
    """Raises `EngineError`, `GuestTrapped`."""
    engine = store.engine
    if engine.reader is None:
        engine.reader = ffi.compile_module(engine, _module())
    instance = ffi.instantiate(store, engine.reader, [extern])
    return ffi.results_reader(store, ffi.export(store, instance, "read"), _AT_ONCE)


def _module() -> bytes:
    """A module that imports a table of functions, and gives `_AT_ONCE` of its entries, from one on."""
    place = code.local_get(0)
    gets = (place + code.i32_const(n) + code.I32_OPS.add + code.table_get(0) for n in range(_AT_ONCE))
    kind = FuncType((I32,), (FUNCREF,) * _AT_ONCE)
    table = b"\0\0" + externs.table(Table(FUNCREF, Limits(0, None), None))
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector([write.function_type(kind)])),
            write.section(SectionId.IMPORT, write.vector([table])),
            write.section(SectionId.FUNCTION, write.vector([b"\0"])),
            write.section(SectionId.EXPORT, write.vector([write.export("read", ExternKind.FUNC, 0)])),
            write.section(SectionId.CODE, write.vector([write.code_entry(code.NO_LOCALS + b"".join(gets) + code.END)])),
            write.module_name(GENERATED),
        ]
    )
