"""Objects of the engine that Python owns: each is freed when it is closed, or when nobody holds it any more."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

from ..values import NULL, RawValue
from . import capi


class _Owned:
    """An object of the engine. `ptr()` is its address."""

    _delete = ""

    def __init__(self, pointer: int) -> None:
        self._pointer: int | None = pointer
        self._free = getattr(capi, self._delete)  # when Python ends, modules are gone before objects

    def ptr(self) -> int:
        """Raises `ValueError` once it is closed: the engine would abort the process."""
        if self._pointer is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._pointer

    def close(self) -> None:
        """Frees it, once."""
        pointer, self._pointer = self.__dict__.get("_pointer"), None
        if pointer is not None:
            self._free(pointer)

    def __del__(self) -> None:
        self.close()


class Config(_Owned):
    """Settings of an engine that is to be made."""

    _delete = "wasm_config_delete"

    def __init__(self) -> None:
        super().__init__(capi.wasm_config_new())

    def set(self, name: str, value: int) -> None:
        """Calls `wasmtime_config_NAME_set`."""
        getattr(capi, f"wasmtime_config_{name}_set")(self.ptr(), value)

    def set_flag(self, name: str, value: str) -> None:
        """A flag of the compiler Cranelift."""
        capi.wasmtime_config_cranelift_flag_set(self.ptr(), name.encode(), value.encode())


class FunctionType(_Owned):
    _delete = "wasm_functype_delete"


class Engine(_Owned):
    _delete = "wasm_engine_delete"

    def __init__(self, config: Config) -> None:
        """Takes the settings."""
        pointer, config._pointer = config.ptr(), None
        super().__init__(capi.wasm_engine_new_with_config(pointer))
        #: What reads tables in it, see `engine.tables`.
        self.reader: Module | None = None
        self._types: dict[tuple[Sequence[str], Sequence[str]], FunctionType] = {}

    def increment_epoch(self) -> None:
        capi.wasmtime_engine_increment_epoch(self.ptr())

    def function_type(self, parameters: Sequence[str], results: Sequence[str]) -> int:
        """Address of the type of a function, of "i32", "i64", "f32" and "f64". It is for functions of this engine only:
        the engine aborts the process where it finds that of another one."""
        key = (tuple(parameters), tuple(results))
        known = self._types.get(key)
        if known is None:
            taken, returned = _valtypes(parameters), _valtypes(results)  # which are taken
            known = FunctionType(capi.wasm_functype_new(ctypes.byref(taken), ctypes.byref(returned)))
            self._types[key] = known
        return known.ptr()


class Module(_Owned):
    """A compiled module."""

    _delete = "wasmtime_module_delete"


class Linker(_Owned):
    _delete = "wasmtime_linker_delete"

    def __init__(self, engine: Engine) -> None:
        super().__init__(capi.wasmtime_linker_new(engine.ptr()))
        self.engine = engine


class Store(_Owned):
    """Owns instances, and what belongs to them."""

    _delete = "wasmtime_store_delete"

    def __init__(self, engine: Engine) -> None:
        super().__init__(capi.wasmtime_store_new(engine.ptr(), None, None))
        self._inside: int = capi.wasmtime_store_context(self.ptr())
        self.engine = engine
        #: Functions that were read from tables, by identity: one object for each, so that what is equal is the same.
        self.functions: dict[int, RawValue] = {0: NULL}
        #: What reads its tables, by their identity; None for those that are read in another way.
        self.readers: dict[tuple[int, int], Callable[[int], list[int]] | None] = {}

    def context(self) -> int:
        """Address of its context. Raises `ValueError` once it is closed."""
        if self._pointer is None:
            self.ptr()
        return self._inside

    def set_limits(self, memory_size: int, table_elements: int, instances: int = -1) -> None:
        """Bytes of each memory, elements of each table, how many instances; -1 for no limit."""
        capi.wasmtime_store_limiter(self.ptr(), memory_size, table_elements, instances, -1, -1)

    def set_epoch_deadline(self, ticks: int) -> None:
        """Ends interruptible code when the engine's epoch has been incremented so often."""
        capi.wasmtime_context_set_epoch_deadline(self.context(), ticks)


def _valtypes(names: Sequence[str]) -> capi.Vector:
    made = (ctypes.c_void_p * max(len(names), 1))(*(capi.wasm_valtype_new(capi.VALTYPES[name]) for name in names))
    vector = capi.Vector()
    capi.wasm_valtype_vec_new(ctypes.byref(vector), len(names), made)
    return vector
