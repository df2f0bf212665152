"""Compiling and instantiating modules, calling functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from .errors import raise_error, raise_host_error, raise_trap

#: A trap's code when an exception left the outermost function.
UNCAUGHT_EXCEPTION = wasmtime.TrapCode.UNCAUGHT_EXCEPTION.value


def _borrow(data: bytes) -> Any:
    """A pointer to the bytes themselves: `Module()` copies them twice. `data` must outlive the call."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))


def compile_module(engine: wasmtime.Engine, data: bytes) -> wasmtime.Module:
    """For `Module(engine, data)`, without copies of `data`. Raises `EngineError`."""
    pointer = ctypes.POINTER(ffi.wasmtime_module_t)()
    raise_error(ffi.wasmtime_module_new(engine.ptr(), _borrow(data), len(data), ctypes.byref(pointer)))
    return wasmtime.Module._from_ptr(pointer)


def validate(engine: wasmtime.Engine, data: bytes) -> None:
    """For `Module.validate(engine, data)`, without copies of `data`. Raises `EngineError`."""
    raise_error(ffi.wasmtime_module_validate(engine.ptr(), _borrow(data), len(data)))


def instantiate(store: wasmtime.Store, module: wasmtime.Module, externs: Sequence[Any]) -> Any:
    """For `Instance(store, module, imports)`, which asks each import for its type and aborts on some.

    `externs` stand in the order of the module's imports. Raises `EngineError`, `GuestTrapped`.
    """
    return instantiation(store, module, externs)()


def instantiation(store: wasmtime.Store, module: wasmtime.Module, externs: Sequence[Any]) -> Callable[[], Any]:
    """What does that once, when it is called, with nothing left to prepare: for whoever takes the time."""
    array = (ffi.wasmtime_extern_t * max(len(externs), 1))()
    for position, extern in enumerate(externs):
        array[position] = extern
    instance = ffi.wasmtime_instance_t()
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    given = (
        *(store._context(), module.ptr(), array, len(externs)),
        *(ctypes.byref(instance), ctypes.byref(trap)),
    )

    def instantiate_now() -> Any:
        raise_error(ffi.wasmtime_instance_new(*given))
        raise_trap(trap)
        return instance

    return instantiate_now


def export(store: wasmtime.Store, instance: Any, name: str) -> Any:
    """For `Instance.exports(store)[name]`, which builds the whole map, in quadratic time. `KeyError` if missing."""
    extern = ffi.wasmtime_extern_t()
    encoded = name.encode()
    if not ffi.wasmtime_instance_export_get(
        store._context(),
        ctypes.byref(instance),
        ctypes.create_string_buffer(encoded),
        len(encoded),
        ctypes.byref(extern),
    ):
        raise KeyError(name)
    return extern


def call(store: wasmtime.Store, function: Any, arguments: Sequence[bytes], results: int) -> list[bytes]:
    """For `Func.__call__`, which aborts on v128 and typed references.

    `arguments` and the results are raw values of 16 bytes each, little-endian. Raises `EngineError`, `GuestTrapped`.
    """
    size = max(len(arguments), results)  # the caller knows the function's type: the engine writes past a shorter array
    values = (ffi.wasmtime_val_raw_t * max(size, 1))()
    for position, bits in enumerate(arguments):
        ctypes.memmove(ctypes.byref(values[position]), bits, 16)
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    error = ffi.wasmtime_func_call_unchecked(
        store._context(), ctypes.byref(function.of.func), values, size, ctypes.byref(trap)
    )
    raise_host_error(error)
    raise_trap(trap)
    return [ctypes.string_at(ctypes.byref(values[position]), 16) for position in range(results)]


def takes_exception(store: wasmtime.Store) -> bool:
    """Whether an exception was thrown that nothing caught; it is forgotten. The public API has no word for it."""
    exception = ffi.wasmtime_exnref_t()
    if not ffi.wasmtime_context_take_exception(store._context(), ctypes.byref(exception)):
        return False
    ffi.wasmtime_exnref_unroot(ctypes.byref(exception))
    return True
