"""A pool that instances come from, a module that is linked once, and functions that all its instances share."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import wasmtime
from wasmtime import _ffi as ffi

from .errors import raise_error, raise_trap
from .host import CALLBACK, PACKED, RESULT, SLOT


class Pool(NamedTuple):
    """What is set aside: how many instances, memories and tables, the largest memory in bytes, elements of a table.

    Address space only; memory is taken when it is used. An engine for which there is no address space aborts.
    """

    instances: int
    memories: int
    tables: int
    memory_size: int
    table_elements: int


#: Bytes of the engine's own data for an instance: a limit only, a pointer or two for each function of a module.
_INSTANCE_SIZE = 1 << 30


def use_pool(config: wasmtime.Config, pool: Pool) -> None:
    """For `Config.allocation_strategy`, which the public class does not have."""
    settings = ffi.wasmtime_pooling_allocation_config_new()
    values = {
        "total_core_instances": pool.instances,
        "total_memories": pool.memories,
        "total_tables": pool.tables,
        "total_gc_heaps": pool.instances,
        "total_stacks": 1,  # of asynchronous calls, which nobody makes
        "max_memories_per_module": pool.memories,
        "max_tables_per_module": pool.tables,
        "max_core_instance_size": _INSTANCE_SIZE,
        "max_memory_size": pool.memory_size,
        "table_elements": pool.table_elements,
    }
    try:
        for name, value in values.items():
            getattr(ffi, f"wasmtime_pooling_allocation_config_{name}_set")(settings, value)
        ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), settings)  # copies them
    finally:
        ffi.wasmtime_pooling_allocation_config_delete(settings)


class SharedFunctions:
    """Functions of the host in a linker: defined once, whichever instance calls them.

    For `Linker.define_func`, which takes 20 times as long for a call. `raised` is told what a function raises. Keep the
    object as long as any instance: it owns the callbacks.
    """

    def __init__(self, linker: wasmtime.Linker, raised: Callable[[BaseException], None]) -> None:
        self._linker = linker
        self._raised = raised
        self._callbacks: list[Any] = []

    def define(
        self, module: str, name: str, parameters: Sequence[str], results: Sequence[str], function: Callable[..., Any]
    ) -> None:
        """Defines `module.name`: it calls `function` with unsigned 64-bit integers. Types are "i32" or "i64"."""
        valtypes = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
        functype = wasmtime.FuncType([valtypes[t]() for t in parameters], [valtypes[t]() for t in results])
        arguments = struct.Struct("<" + "".join(map(PACKED.__getitem__, parameters))).unpack_from
        values = ctypes.c_ubyte * (SLOT * max(len(parameters), len(results), 1))
        store_result = RESULT.pack_into if results else None
        raised = self._raised

        def callback(_env: Any, _caller: Any, raw: int | None, _size: int) -> int:
            try:
                mine = values.from_address(raw) if raw else values()
                result = function(*arguments(mine))
                if store_result:
                    store_result(mine, 0, result or 0)
                return 0
            except BaseException as problem:  # an exception that leaves a callback would be printed and ignored
                raised(problem)
                trap = ffi.wasmtime_trap_new(ctypes.create_string_buffer(b"host"), 4)
                return ctypes.cast(trap, ctypes.c_void_p).value or 0

        pointer = ctypes.cast(kept := CALLBACK(callback), ffi.wasmtime_func_unchecked_callback_t)
        self._callbacks.append(kept)
        no_finalizer = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
        of, what = module.encode(), name.encode()
        raise_error(
            ffi.wasmtime_linker_define_func_unchecked(
                self._linker.ptr(),
                ctypes.create_string_buffer(of),
                len(of),
                ctypes.create_string_buffer(what),
                len(what),
                functype.ptr(),
                pointer,
                None,
                no_finalizer,
            )
        )


class LinkedModule:
    """A module with its imports, ready to be instantiated: the public API has no word for it."""

    def __init__(self, linker: wasmtime.Linker, module: wasmtime.Module) -> None:
        """Raises `EngineError` where an import is missing, or has another type."""
        self._pointer = ctypes.POINTER(ffi.wasmtime_instance_pre_t)()
        raise_error(ffi.wasmtime_linker_instantiate_pre(linker.ptr(), module.ptr(), ctypes.byref(self._pointer)))

    def close(self) -> None:
        """Frees it; instances stay."""
        pointer, self._pointer = self._pointer, ctypes.POINTER(ffi.wasmtime_instance_pre_t)()
        if pointer:
            ffi.wasmtime_instance_pre_delete(pointer)

    def __del__(self) -> None:
        self.close()

    def instantiate(self, store: wasmtime.Store) -> Any:
        """A fresh instance, as `instantiate` gives one. Raises `EngineError`, `GuestTrapped`."""
        instance = ffi.wasmtime_instance_t()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        raise_error(
            ffi.wasmtime_instance_pre_instantiate(
                self._pointer, store._context(), ctypes.byref(instance), ctypes.byref(trap)
            )
        )
        raise_trap(trap)
        return instance
