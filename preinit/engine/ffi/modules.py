"""Compiling and instantiating modules, calling functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from . import capi
from .errors import raise_error, raise_host_error, raise_trap
from .objects import Engine, Module, Store

#: A trap's code when an exception left the outermost function.
UNCAUGHT_EXCEPTION = capi.UNCAUGHT_EXCEPTION


def compile_module(engine: Engine, data: bytes) -> Module:
    """Compiles a module. Raises `EngineError`."""
    pointer = ctypes.c_void_p()
    raise_error(capi.wasmtime_module_new(engine.ptr(), _readable(data), len(data), ctypes.byref(pointer)))
    return Module(pointer.value or 0)


def binary(text: bytes) -> bytes:
    """A module in the text format, as a binary. Raises `EngineError`."""
    vector = capi.Vector()
    raise_error(capi.wasmtime_wat2wasm(text, len(text), ctypes.byref(vector)))
    try:
        return ctypes.string_at(vector.data, vector.size)
    finally:
        capi.wasm_byte_vec_delete(ctypes.byref(vector))


def validate(engine: Engine, data: bytes) -> None:
    """Validates a module. Raises `EngineError`."""
    raise_error(capi.wasmtime_module_validate(engine.ptr(), _readable(data), len(data)))


def _readable(data: bytes) -> Any:
    """What the engine reads: `ctypes` takes the address of bytes itself, that of a mapped file is asked for."""
    return data if isinstance(data, bytes) else (ctypes.c_char * len(data)).from_buffer(data)


def instantiate(store: Store, module: Module, externs: Sequence[Any]) -> Any:
    """A fresh instance.

    `externs` stand in the order of the module's imports. Raises `EngineError`, `GuestTrapped`.
    """
    return instantiation(store, module, externs)()


def instantiation(store: Store, module: Module, externs: Sequence[Any]) -> Callable[[], Any]:
    """What does that once, when it is called, with nothing left to prepare: for whoever takes the time."""
    array = (capi.Extern * max(len(externs), 1))()
    for position, extern in enumerate(externs):
        array[position] = extern
    instance = capi.Instance()
    trap = ctypes.c_void_p()
    given = (
        *(store.context(), module.ptr(), array, len(externs)),
        *(ctypes.byref(instance), ctypes.byref(trap)),
    )

    def instantiate_now() -> Any:
        raise_error(capi.wasmtime_instance_new(*given))
        raise_trap(trap)
        return instance

    return instantiate_now


#: `wasmtime_instance_export_get` with addresses as plain numbers; so short that it keeps Python's lock.
_EXPORT_GET = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
)(("wasmtime_instance_export_get", capi.library))


def export(store: Store, instance: Any, name: str) -> Any:
    """An export, as an extern. `KeyError` if missing."""
    extern = capi.Extern()
    encoded = name.encode()
    place, found = ctypes.addressof(instance), ctypes.addressof(extern)
    if not _EXPORT_GET(store.context(), place, encoded, len(encoded), found):
        raise KeyError(name)
    return extern


def call(
    store: Store,
    function: Any,
    arguments: Sequence[bytes],
    results: int,
    ended: Callable[[], bool] | None = None,
) -> list[bytes]:
    """Calls a function.

    `arguments` and the results are raw values of 16 bytes each, little-endian. Raises `EngineError`, `GuestTrapped`;
    without frames where `ended` says that the host ended the call, so that nobody asks where.
    """
    size = max(len(arguments), results)  # the caller knows the function's type: the engine writes past a shorter array
    values = (capi.RawValue * max(size, 1))()
    for position, bits in enumerate(arguments):
        ctypes.memmove(ctypes.byref(values[position]), bits, 16)
    trap = ctypes.c_void_p()
    error = capi.wasmtime_func_call_unchecked(
        store.context(), ctypes.byref(function.of.func), values, size, ctypes.byref(trap)
    )
    framed = ended is None or not (error or trap) or not ended()
    raise_host_error(error, framed)
    raise_trap(trap, framed)
    return [ctypes.string_at(ctypes.byref(values[position]), 16) for position in range(results)]


def caller(store: Store, function: Any, size: int) -> Callable[..., int]:
    """What calls a function again and again, with at most `size` integers of up to 64 bits, unsigned, and gives the
    first 64 bits of its result. For one thread at a time. It raises `EngineError`, `GuestTrapped`.
    """
    values, invoke = _invoking(store, function, size)

    def call_it(*numbers: int) -> int:
        for position, number in enumerate(numbers):
            values[position] = number
        invoke()
        return values[0]

    return call_it


def results_reader(store: Store, function: Any, size: int) -> Callable[[int], list[int]]:
    """The same for a function of one integer: gives the first 64 bits of each of its `size` results."""
    values, invoke = _invoking(store, function, size)

    def read(number: int) -> list[int]:
        values[0] = number
        invoke()
        return values.tolist()

    return read


def _invoking(store: Store, function: Any, size: int) -> tuple[memoryview, Callable[[], None]]:
    """The first 64 bits of each of `size` raw values, and what calls a function with these, and puts its results there.

    It raises `EngineError`, `GuestTrapped`.
    """
    values = (capi.RawValue * size)()
    trap = ctypes.c_void_p()
    given = (store.context(), ctypes.byref(function.of.func), values, size, ctypes.byref(trap))

    def invoke() -> None:
        raise_error(capi.wasmtime_func_call_unchecked(*given))
        raise_trap(trap)

    return memoryview(values).cast("B").cast("Q")[:: ctypes.sizeof(capi.RawValue) // 8], invoke


def takes_exception(store: Store) -> bool:
    """Whether an exception was thrown that nothing caught; it is forgotten."""
    exception = capi.Place()
    if not capi.wasmtime_context_take_exception(store.context(), ctypes.byref(exception)):
        return False
    capi.wasmtime_exnref_unroot(ctypes.byref(exception))
    return True
