"""Reading memories, globals and tables of an instance."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from ..values import RawValue
from .errors import raise_error

_KIND_MEMORY_SHARED = 4
VAL_FUNCREF, _VAL_EXTERNREF, _VAL_ANYREF, _VAL_EXNREF = 5, 6, 7, 8


def memory_place(store: wasmtime.Store, extern: Any) -> tuple[int, int]:
    """Address and size in bytes of a memory: for `Memory.data_ptr` and `data_len`, and for shared memories too."""
    if extern.kind == _KIND_MEMORY_SHARED:
        pointer = ffi.wasmtime_sharedmemory_data(extern.of.sharedmemory)
        size = ffi.wasmtime_sharedmemory_data_size(extern.of.sharedmemory)
    else:
        context, memory = store._context(), ctypes.byref(extern.of.memory)
        pointer = ffi.wasmtime_memory_data(context, memory)
        size = ffi.wasmtime_memory_data_size(context, memory)
    return (ctypes.addressof(pointer.contents) if size else 0), size


#: `wasmtime_memory_data_size` with addresses as plain numbers, see `TABLE_GET`; so short that it keeps Python's lock.
_SIZE = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)(("wasmtime_memory_data_size", ffi.dll))


def memory_view(address: int, size: int) -> memoryview:
    """The bytes of a memory, writable and not copied; valid until the guest runs again."""
    if not size:
        return memoryview(b"")
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")


def memory_reader(store: wasmtime.Store, extern: Any) -> Callable[[], memoryview]:
    """What gives `memory_view` of one memory as it is now, for callers that ask in every call. Valid as the store is.

    A memory moves only when it grows, so only another size needs a new view.
    """
    if extern.kind == _KIND_MEMORY_SHARED:
        return lambda: memory_view(*memory_place(store, extern))
    context, memory = ctypes.addressof(store._context().contents), ctypes.addressof(extern.of.memory)
    known, view = 0, memoryview(b"")

    def read() -> memoryview:
        nonlocal known, view
        size = _SIZE(context, memory)
        if size != known:
            view = memory_view(*memory_place(store, extern))
            known = size
        return view

    return read


def _read_value(store: wasmtime.Store, value: Any, size: int) -> RawValue:
    bits = ctypes.string_at(ctypes.addressof(value) + ffi.wasmtime_val_t.of.offset, 16)
    kind = value.kind
    if kind < VAL_FUNCREF:
        return RawValue("number", bits[:size])
    if not any(bits[:8]):  # a null reference's store identity is zero
        return RawValue("null", b"")
    if kind == VAL_FUNCREF:
        return RawValue("func", bits[8:])
    number = ctypes.c_int32()
    if kind == _VAL_ANYREF and ffi.wasmtime_anyref_i31_get_s(
        store._context(), ctypes.byref(value.of.anyref), ctypes.byref(number)
    ):
        ffi.wasmtime_val_unroot(ctypes.byref(value))
        return RawValue("i31", number.value.to_bytes(4, "little", signed=True))
    ffi.wasmtime_val_unroot(ctypes.byref(value))
    return RawValue("object", b"")


def global_value(store: wasmtime.Store, extern: Any, size: int) -> RawValue:
    """For `Global.value`, which raises on v128 and quietens a signalling NaN. `size`: bytes of a numeric type."""
    value = ffi.wasmtime_val_t()
    ffi.wasmtime_global_get(store._context(), ctypes.byref(extern.of.global_), ctypes.byref(value))
    return _read_value(store, value, size)


def set_integer(store: wasmtime.Store, extern: Any, number: int, size: int) -> None:
    """For `Global.set_value`, which asks for the global's type: an integer of 4 or 8 bytes, into a mutable global."""
    value = ffi.wasmtime_val_t()
    value.kind = (ffi.WASMTIME_I32 if size == 4 else ffi.WASMTIME_I64).value  # type: ignore[assignment]
    ctypes.memmove(ctypes.addressof(value) + ffi.wasmtime_val_t.of.offset, number.to_bytes(size, "little"), size)
    raise_error(ffi.wasmtime_global_set(store._context(), ctypes.byref(extern.of.global_), ctypes.byref(value)))


def function_pointer(extern: Any) -> bytes | None:
    """A function's identity, as `RawValue.bits` has it; None for an extern of another kind."""
    if extern.kind != ffi.WASMTIME_EXTERN_FUNC.value:
        return None
    offset = ffi.wasmtime_extern_t.of.offset + 8  # after the store's identity, as in a value
    return ctypes.string_at(ctypes.addressof(extern) + offset, 8)


def function_indices(externs: Iterable[tuple[int, Any]]) -> dict[bytes, int]:
    """Identity -> index of functions that are given with an index."""
    found = ((function_pointer(extern), index) for index, extern in externs)
    return {pointer: index for pointer, index in found if pointer}


def table_size(store: wasmtime.Store, extern: Any) -> int:
    """For `Table.size`, which is reached only through an export's type."""
    return int(ffi.wasmtime_table_size(store._context(), ctypes.byref(extern.of.table)))


#: `wasmtime_table_get` with addresses as plain numbers: building a pointer object for each entry takes longer.
TABLE_GET = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(
    ("wasmtime_table_get", ffi.dll)
)
#: Kind, store identity and function pointer of a value.
_FUNCREF = struct.Struct(f"<B7x8s8s{ctypes.sizeof(ffi.wasmtime_val_t) - 24}x")
_NULL = RawValue("null", b"")


def table_values(store: wasmtime.Store, extern: Any, first: int | None = None) -> list[RawValue]:
    """For `Table.get` at every index: that makes an object of each function, and a `Val` of null.

    `first`: how many entries to read, if not all.
    """
    size = table_size(store, extern) if first is None else first
    values = (ffi.wasmtime_val_t * size)()
    context = ctypes.addressof(store._context().contents)
    table, first, step = ctypes.addressof(extern.of.table), ctypes.addressof(values), ctypes.sizeof(ffi.wasmtime_val_t)
    for index in range(size):
        if not TABLE_GET(context, table, index, first + index * step):
            raise IndexError(index)
    result = []
    null = bytes(8)
    functions: dict[bytes, RawValue] = {}  # one object for each, however often it stands in the table
    for index, (kind, identity, pointer) in enumerate(_FUNCREF.iter_unpack(values)):
        if identity == null:
            result.append(_NULL)
        elif kind == VAL_FUNCREF:
            known = functions.get(pointer)
            if known is None:
                known = functions[pointer] = RawValue("func", pointer)
            result.append(known)
        else:
            result.append(_read_value(store, values[index], 0))
    return result
