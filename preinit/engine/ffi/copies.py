"""A pool that instances come from, a module that is linked once, and functions that all its instances share."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...tuples import NamedTuple
from . import capi
from .errors import raise_error, raise_trap
from .host import CALLBACK, PACKED, RESULT, SLOT
from .objects import Linker, Module, Store


class Configured(Protocol):
    """What has the engine's settings."""

    def ptr(self) -> Any:
        """Where they are."""


class Pool(NamedTuple):
    """What is set aside: how many core instances, memories and tables, the largest memory in bytes, elements of a
    table, instances of components.

    Address space only; memory is taken when it is used. An engine for which there is no address space aborts.
    """

    instances: int
    memories: int
    tables: int
    memory_size: int
    table_elements: int
    components: int = 1


#: Bytes of the engine's own data for an instance: a limit only, a pointer or two for each function of a module.
_INSTANCE_SIZE = 1 << 30


def use_pool(config: Configured, pool: Pool) -> None:
    """Instances come from a pool. `config`: ours, or that of wasmtime-py."""
    settings = capi.wasmtime_pooling_allocation_config_new()
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
        "total_component_instances": pool.components,
        "max_component_instance_size": _INSTANCE_SIZE,
    }
    try:
        for name, value in values.items():
            getattr(capi, f"wasmtime_pooling_allocation_config_{name}_set")(settings, value)
        capi.wasmtime_pooling_allocation_strategy_set(config.ptr(), settings)  # copies them
    finally:
        capi.wasmtime_pooling_allocation_config_delete(settings)


class SharedFunctions:
    """Functions of the host in a linker: defined once, whichever instance calls them.

    `raised` is told what a function raises. Keep the
    object as long as any instance: it owns the callbacks.
    """

    def __init__(self, linker: Linker, raised: Callable[[BaseException], None]) -> None:
        self._linker = linker
        self._raised = raised
        self._callbacks: list[Any] = []

    def define(
        self, module: str, name: str, parameters: Sequence[str], results: Sequence[str], function: Callable[..., Any]
    ) -> None:
        """Defines `module.name`: it calls `function` with unsigned 64-bit integers. Types are "i32" or "i64"."""
        kind = self._linker.engine.function_type(parameters, results)
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
                trap: int | None = capi.wasmtime_trap_new(b"host", 4)
                return trap or 0

        kept = CALLBACK(callback)
        self._callbacks.append(kept)
        of, what = module.encode(), name.encode()
        raise_error(
            capi.wasmtime_linker_define_func_unchecked(
                self._linker.ptr(), of, len(of), what, len(what), kind, kept, None, None
            )
        )


def trap_unknown_imports(linker: Linker, module: Module) -> None:
    """Functions that the linker lacks are there, and trap when they are called. Raises `EngineError`."""
    raise_error(capi.wasmtime_linker_define_unknown_imports_as_traps(linker.ptr(), module.ptr()))


class LinkedModule:
    """A module with its imports, ready to be instantiated."""

    def __init__(self, linker: Linker, module: Module) -> None:
        """Raises `EngineError` where an import is missing, or has another type."""
        self._pointer = ctypes.c_void_p()
        raise_error(capi.wasmtime_linker_instantiate_pre(linker.ptr(), module.ptr(), ctypes.byref(self._pointer)))

    def close(self) -> None:
        """Frees it; instances stay."""
        pointer, self._pointer = self._pointer, ctypes.c_void_p()
        if pointer:
            capi.wasmtime_instance_pre_delete(pointer)

    def __del__(self) -> None:
        self.close()

    def instantiate(self, store: Store) -> Any:
        """A fresh instance, as `instantiate` gives one. Raises `EngineError`, `GuestTrapped`."""
        instance = capi.Instance()
        trap = ctypes.c_void_p()
        raise_error(
            capi.wasmtime_instance_pre_instantiate(
                self._pointer, store.context(), ctypes.byref(instance), ctypes.byref(trap)
            )
        )
        raise_trap(trap)
        return instance
