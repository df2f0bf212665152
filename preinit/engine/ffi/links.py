"""Tables of functions that belong to preinit, not to the guest."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

from ...binary.large import Large
from . import capi
from .errors import raise_error
from .objects import Engine, Module, Store
from .state import TABLE_GET, function_pointer, table_size

#: Of a global.
_MUTABLE = 1

#: `wasmtime_table_set` with addresses as plain numbers, see `TABLE_GET`.
_TABLE_SET = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(
    ("wasmtime_table_set", capi.library)
)


def new_function_table(store: Store, size: int) -> Any:
    """An extern: a table of null references."""
    limits = (ctypes.c_uint32 * 2)(size, 0xFFFFFFFF)  # wasm_limits_t
    kind = capi.wasm_tabletype_new(capi.wasm_valtype_new(capi.VALTYPES["funcref"]), limits)
    null, extern = capi.Value(), capi.Extern()
    null.kind, extern.kind = capi.VAL_FUNCREF, capi.EXTERN_TABLE
    place = ctypes.byref(extern.of.table)
    try:
        raise_error(capi.wasmtime_table_new(store.context(), kind, ctypes.byref(null), place))
    finally:
        capi.wasm_tabletype_delete(kind)
    return extern


def new_counter(store: Store) -> Any:
    """An extern: a mutable i32 global that is 0."""
    kind = capi.wasm_globaltype_new(capi.wasm_valtype_new(capi.VALTYPES["i32"]), _MUTABLE)
    zero, extern = capi.Value(), capi.Extern()
    zero.kind, extern.kind = capi.VAL_I32, capi.EXTERN_GLOBAL
    place = ctypes.byref(extern.of.global_)
    try:
        raise_error(capi.wasmtime_global_new(store.context(), kind, ctypes.byref(zero), place))
    finally:
        capi.wasm_globaltype_delete(kind)
    return extern


def get_function(store: Store, table: Any, index: int) -> Any:
    """An extern: a function that is there in a table."""
    value = capi.Value()
    TABLE_GET(store.context(), ctypes.addressof(table.of.table), index, ctypes.addressof(value))
    extern = capi.Extern()
    extern.kind = capi.EXTERN_FUNC
    extern.of.func = value.of.funcref
    return extern


def function_at(store: Store, table: Any, index: int) -> Any:
    """An extern: the function there in a table of functions; None for null. Raises `IndexError` with the size."""
    size = table_size(store, table)
    if not 0 <= index < size:
        raise IndexError(size)
    extern = get_function(store, table, index)
    return extern if any(function_pointer(extern) or b"") else None


def set_function(store: Store, table: Any, index: int, function: Any) -> None:
    """Puts a function, an extern, in a table."""
    value = capi.Value()
    value.kind = capi.VAL_FUNCREF
    value.of.funcref = function.of.func
    raise_error(capi.wasmtime_table_set(store.context(), ctypes.byref(table.of.table), index, ctypes.byref(value)))


def grow(store: Store, extern: Any, is_table: bool, more: int) -> None:
    """A memory gets so many pages more; a table of functions so many nulls."""
    before, null = ctypes.c_uint64(), capi.Value()
    if is_table:
        null.kind = capi.VAL_FUNCREF
        place, value = ctypes.byref(extern.of.table), ctypes.byref(null)
        raise_error(capi.wasmtime_table_grow(store.context(), place, more, value, ctypes.byref(before)))
    else:
        place = ctypes.byref(extern.of.memory)
        raise_error(capi.wasmtime_memory_grow(store.context(), place, more, ctypes.byref(before)))


def replace_function(store: Store, table: Any, index: int, known: bytes, function: Any) -> bool:
    """Puts `function` there, if what is there now has the identity `known`; says whether."""
    value = capi.Value()
    if not capi.wasmtime_table_get(store.context(), ctypes.byref(table.of.table), index, ctypes.byref(value)):
        return False
    if ctypes.string_at(ctypes.addressof(value) + capi.Value.of.offset + 8, 8) != known:
        return False
    set_function(store, table, index, function)
    return True


def copy_functions(store: Store, source: Any, places: Iterable[int], target: Any, start: int) -> None:
    """Puts what `source` has at `places` into `target`, from `start` on. Both must be large enough."""
    value = capi.Value()
    context, at = store.context(), ctypes.addressof(value)
    from_table, to_table = ctypes.addressof(source.of.table), ctypes.addressof(target.of.table)
    for index, place in enumerate(places, start):
        if not TABLE_GET(context, from_table, place, at) or _TABLE_SET(context, to_table, index, at):
            raise IndexError(index)


def serialize(module: Module) -> bytes:
    """The compiled code."""
    vector = capi.Vector()
    raise_error(capi.wasmtime_module_serialize(module.ptr(), ctypes.byref(vector)))
    try:
        return ctypes.string_at(vector.data, vector.size)
    finally:
        capi.wasm_byte_vec_delete(ctypes.byref(vector))


def deserialize(engine: Engine, code: bytes | memoryview | Large, start: int = 0, end: int | None = None) -> Module:
    """The module that `code[start:end]` is. Whoever wrote `code` is trusted: it will be run.

    Raises `EngineError`.
    """
    size = (len(code) if end is None else end) - start
    pointer = ctypes.c_void_p()
    if isinstance(code, bytes):
        first = ctypes.cast(ctypes.c_char_p(code), ctypes.c_void_p).value or 0
    else:
        first = ctypes.addressof((ctypes.c_char * len(code)).from_buffer(code))
    raise_error(capi.wasmtime_module_deserialize(engine.ptr(), first + start, size, ctypes.byref(pointer)))
    return Module(pointer.value or 0)
