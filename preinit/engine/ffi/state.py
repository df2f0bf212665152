"""Reading memories, globals and tables of an instance."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

from ..values import NULL, RawValue
from . import capi
from .errors import raise_error
from .objects import Store


def memory_place(store: Store, extern: Any) -> tuple[int, int]:
    """Address and size in bytes of a memory."""
    pointer: int
    if extern.kind == capi.EXTERN_SHAREDMEMORY:
        pointer = capi.wasmtime_sharedmemory_data(extern.of.sharedmemory)
        size = capi.wasmtime_sharedmemory_data_size(extern.of.sharedmemory)
    else:
        context, memory = store.context(), ctypes.byref(extern.of.memory)
        pointer = capi.wasmtime_memory_data(context, memory)
        size = capi.wasmtime_memory_data_size(context, memory)
    return (pointer if size else 0), size


#: `wasmtime_memory_data_size` with addresses as plain numbers, see `TABLE_GET`; so short that it keeps Python's lock.
_SIZE = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)(
    ("wasmtime_memory_data_size", capi.library)
)


def memory_view(store: Store, extern: Any) -> memoryview:
    """The bytes of a memory, writable and not copied; valid until the guest runs again.

    A view keeps the store: a thread that nobody waits for any more, since the time was over, may still read it.
    """
    address, size = memory_place(store, extern)
    if not size:
        return memoryview(b"")
    content: Any = (ctypes.c_ubyte * size).from_address(address)
    content.store = store
    return memoryview(content).cast("B")


def memory_reader(store: Store, extern: Any) -> Callable[[], memoryview]:
    """What gives `memory_view` of one memory as it is now, for callers that ask in every call. Valid as the store is.

    A memory moves only when it grows, so only another size needs a new view.
    """
    if extern.kind == capi.EXTERN_SHAREDMEMORY:
        return lambda: memory_view(store, extern)
    context, memory = store.context(), ctypes.addressof(extern.of.memory)
    known, view = 0, memoryview(b"")

    def read() -> memoryview:
        nonlocal known, view
        size = _SIZE(context, memory)
        if size != known:
            view = memory_view(store, extern)
            known = size
        return view

    return read


def _read_value(store: Store, value: Any, size: int) -> RawValue:
    bits = ctypes.string_at(ctypes.addressof(value) + capi.Value.of.offset, 16)
    kind = value.kind
    if kind < capi.VAL_FUNCREF:
        return RawValue("number", bits[:size])
    if not any(bits[:8]):  # a null reference's store identity is zero
        return NULL
    if kind == capi.VAL_FUNCREF:
        return RawValue("func", bits[8:])
    number = ctypes.c_int32()
    if kind == capi.VAL_ANYREF and capi.wasmtime_anyref_i31_get_s(
        store.context(), ctypes.byref(value.of.anyref), ctypes.byref(number)
    ):
        capi.wasmtime_val_unroot(ctypes.byref(value))
        return RawValue("i31", number.value.to_bytes(4, "little", signed=True))
    capi.wasmtime_val_unroot(ctypes.byref(value))
    return RawValue("object", b"")


def global_value(store: Store, extern: Any, size: int) -> RawValue:
    """What a global holds, to the bit. `size`: bytes of a numeric type."""
    value = capi.Value()
    capi.wasmtime_global_get(store.context(), ctypes.byref(extern.of.global_), ctypes.byref(value))
    return _read_value(store, value, size)


def set_integer(store: Store, extern: Any, number: int, size: int) -> None:
    """Puts an integer of 4 or 8 bytes into a mutable global."""
    value = capi.Value()
    value.kind = capi.VAL_I32 if size == 4 else capi.VAL_I64
    ctypes.memmove(ctypes.addressof(value) + capi.Value.of.offset, number.to_bytes(size, "little"), size)
    raise_error(capi.wasmtime_global_set(store.context(), ctypes.byref(extern.of.global_), ctypes.byref(value)))


def function_pointer(extern: Any) -> bytes | None:
    """A function's identity, as `RawValue.bits` has it; None for an extern of another kind."""
    if extern.kind != capi.EXTERN_FUNC:
        return None
    offset = capi.Extern.of.offset + 8  # after the store's identity, as in a value
    return ctypes.string_at(ctypes.addressof(extern) + offset, 8)


def function_indices(externs: Iterable[tuple[int, Any]]) -> dict[bytes, int]:
    """Identity -> index of functions that are given with an index."""
    found = ((function_pointer(extern), index) for index, extern in externs)
    return {pointer: index for pointer, index in found if pointer}


def table_size(store: Store, extern: Any) -> int:
    """How many elements a table has."""
    return int(capi.wasmtime_table_size(store.context(), ctypes.byref(extern.of.table)))


def table_identity(extern: Any) -> tuple[int, int]:
    """What no other table of a store has: two numbers of 32 bits, each followed by as many that mean nothing."""
    one, other = extern.of.table.private
    return one & 0xFFFF_FFFF, other & 0xFFFF_FFFF


#: `wasmtime_table_get` with addresses as plain numbers: building a pointer object for each entry takes longer. So short
#: that it keeps Python's lock.
TABLE_GET = ctypes.PYFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(
    ("wasmtime_table_get", capi.library)
)
#: Words of eight bytes of a value with a function: the store's identity, which is zero for null, and the pointer.
_IDENTITY, _POINTER = 1, 2


def table_values(store: Store, extern: Any, places: range | None = None) -> list[RawValue]:
    """What a table holds.

    `places`: which entries to read, one after the other, if not all. Raises `IndexError`.
    """
    places = range(table_size(store, extern)) if places is None else places
    if not places:
        return []
    values = (capi.Value * len(places))()
    context = store.context()
    table, first, step = ctypes.addressof(extern.of.table), ctypes.addressof(values), ctypes.sizeof(capi.Value)
    targets = range(first, first + len(places) * step, step)
    if not all(map(TABLE_GET, repeat(context), repeat(table), places, targets)):
        raise IndexError(f"a table has {table_size(store, extern)} entries, not {places.stop}")
    words = memoryview(values).cast("B").cast("Q")
    identities, pointers = (words[word :: step // 8].tolist() for word in (_IDENTITY, _POINTER))
    kinds = bytes(memoryview(values).cast("B")[::step])
    if kinds.count(capi.VAL_FUNCREF) != len(kinds):
        return [_entry(store, value) for value in values]
    if 0 in identities:
        pointers = [pointer if identity else 0 for identity, pointer in zip(identities, pointers, strict=True)]
    return functions_at(store, pointers)


def functions_at(store: Store, pointers: Sequence[int]) -> list[RawValue]:
    """The functions with these addresses; null for 0."""
    known, new = store.functions, tuple.__new__  # there may be thousands
    for pointer in {*pointers} - known.keys():
        known[pointer] = new(RawValue, ("func", pointer.to_bytes(8, sys.byteorder)))
    return [known[pointer] for pointer in pointers]


def _entry(store: Store, value: Any) -> RawValue:
    found = _read_value(store, value, 0)
    return NULL if found.kind == "null" else found
