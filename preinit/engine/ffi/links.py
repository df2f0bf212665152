"""Tables of functions that belong to preinit, not to the guest."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from .errors import raise_error
from .state import TABLE_GET, VAL_FUNCREF

#: `wasmtime_table_set` with addresses as plain numbers, see `TABLE_GET`.
_TABLE_SET = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(
    ("wasmtime_table_set", ffi.dll)
)


def new_function_table(store: wasmtime.Store, size: int) -> Any:
    """An extern: a table of null references, `Table(store, ...)`."""
    kind = wasmtime.TableType(wasmtime.ValType.funcref(), wasmtime.Limits(size, None))
    return wasmtime.Table(store, kind, None)._as_extern()


def new_counter(store: wasmtime.Store) -> Any:
    """An extern: a mutable i32 global that is 0, `Global(store, ...)`."""
    kind = wasmtime.GlobalType(wasmtime.ValType.i32(), True)
    return wasmtime.Global(store, kind, wasmtime.Val.i32(0))._as_extern()


def get_function(store: wasmtime.Store, table: Any, index: int) -> Any:
    """For `Table.get`: an extern, of a function that is there."""
    value = ffi.wasmtime_val_t()
    ffi.wasmtime_table_get(store._context(), ctypes.byref(table.of.table), index, ctypes.byref(value))
    extern = ffi.wasmtime_extern_t()
    extern.kind = ffi.WASMTIME_EXTERN_FUNC
    extern.of.func = value.of.funcref
    return extern


def set_function(store: wasmtime.Store, table: Any, index: int, function: Any) -> None:
    """For `Table.set`: `function` is an extern."""
    value = ffi.wasmtime_val_t()
    value.kind = VAL_FUNCREF  # type: ignore[assignment]  # ctypes takes both
    value.of.funcref = function.of.func
    raise_error(ffi.wasmtime_table_set(store._context(), ctypes.byref(table.of.table), index, ctypes.byref(value)))


def grow(store: wasmtime.Store, extern: Any, is_table: bool, more: int) -> None:
    """For `Memory.grow`, and for `Table.grow` of a table of functions, with null."""
    before, null = ctypes.c_uint64(), ffi.wasmtime_val_t()
    if is_table:
        null.kind = VAL_FUNCREF  # type: ignore[assignment]
        place, value = ctypes.byref(extern.of.table), ctypes.byref(null)
        raise_error(ffi.wasmtime_table_grow(store._context(), place, more, value, ctypes.byref(before)))
    else:
        place = ctypes.byref(extern.of.memory)
        raise_error(ffi.wasmtime_memory_grow(store._context(), place, more, ctypes.byref(before)))


def replace_function(store: wasmtime.Store, table: Any, index: int, known: bytes, function: Any) -> bool:
    """Puts `function` there, if what is there now has the identity `known`; says whether."""
    value = ffi.wasmtime_val_t()
    if not ffi.wasmtime_table_get(store._context(), ctypes.byref(table.of.table), index, ctypes.byref(value)):
        return False
    if ctypes.string_at(ctypes.addressof(value) + ffi.wasmtime_val_t.of.offset + 8, 8) != known:
        return False
    set_function(store, table, index, function)
    return True


def copy_functions(store: wasmtime.Store, source: Any, places: Iterable[int], target: Any, start: int) -> None:
    """Puts what `source` has at `places` into `target`, from `start` on. Both must be large enough."""
    value = ffi.wasmtime_val_t()
    context, at = ctypes.addressof(store._context().contents), ctypes.addressof(value)
    from_table, to_table = ctypes.addressof(source.of.table), ctypes.addressof(target.of.table)
    for index, place in enumerate(places, start):
        if not TABLE_GET(context, from_table, place, at) or _TABLE_SET(context, to_table, index, at):
            raise IndexError(index)


def serialize(module: wasmtime.Module) -> bytes:
    """For `Module.serialize()`, which copies twice."""
    vector = ffi.wasm_byte_vec_t()
    raise_error(ffi.wasmtime_module_serialize(module.ptr(), ctypes.byref(vector)))
    try:
        return ctypes.string_at(vector.data, vector.size)
    finally:
        ffi.wasm_byte_vec_delete(ctypes.byref(vector))


def deserialize(engine: wasmtime.Engine, code: bytes, start: int = 0) -> wasmtime.Module:
    """For `Module.deserialize(engine, code[start:])`. Whoever wrote `code` is trusted: it will be run.

    Raises `EngineError`.
    """
    pointer = ctypes.POINTER(ffi.wasmtime_module_t)()
    place = ctypes.cast(ctypes.c_char_p(code), ctypes.c_void_p).value or 0
    borrowed = ctypes.cast(place + start, ctypes.POINTER(ctypes.c_uint8))
    raise_error(ffi.wasmtime_module_deserialize(engine.ptr(), borrowed, len(code) - start, ctypes.byref(pointer)))
    return wasmtime.Module._from_ptr(pointer)
