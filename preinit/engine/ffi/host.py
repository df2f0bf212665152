"""Functions of the host."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

#: A function of the host: takes the raw arguments (unsigned 64-bit), returns the raw result or None.
HostFunction = Callable[..., int | None]


class HostFunctions:
    """Functions of the host for one store.

    For `Func(store, type, callable)`: this path is 20 times faster, and what a callback raises is kept (the public
    one keeps it in a global). Keep the object as long as the store: it owns the callbacks.
    """

    def __init__(self, store: wasmtime.Store) -> None:
        self._store = store
        self._callbacks: list[Any] = []
        self.raised: BaseException | None = None

    def define(self, parameters: Sequence[str], results: Sequence[str], function: HostFunction) -> Any:
        """An extern that calls `function`. Types are "i32" or "i64"; at most one result."""
        valtypes = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
        functype = wasmtime.FuncType([valtypes[t]() for t in parameters], [valtypes[t]() for t in results])
        count = len(parameters)
        values = ctypes.c_uint64 * (2 * max(count, len(results)))
        masks = [0xFFFFFFFF if t == "i32" else 0xFFFFFFFFFFFFFFFF for t in parameters]
        has_result = bool(results)

        def callback(_env: Any, _caller: Any, raw: Any, _size: int) -> int:
            try:
                slots = values.from_address(ctypes.addressof(raw.contents)) if raw else values()
                result = function(*[slots[2 * i] & masks[i] for i in range(count)])
                if has_result:
                    slots[0] = result or 0
                return 0
            except BaseException as problem:  # an exception that leaves a callback would be printed and ignored
                self.raised = problem
                trap = ffi.wasmtime_trap_new(ctypes.create_string_buffer(b"host"), 4)
                return ctypes.cast(trap, ctypes.c_void_p).value or 0

        pointer = ffi.wasmtime_func_unchecked_callback_t(callback)
        self._callbacks.append(pointer)
        extern = ffi.wasmtime_extern_t()
        extern.kind = ffi.WASMTIME_EXTERN_FUNC  # the annotation says c_ubyte, ctypes takes both
        no_finalizer = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
        ffi.wasmtime_func_new_unchecked(
            self._store._context(), functype.ptr(), pointer, None, no_finalizer, ctypes.byref(extern.of.func)
        )
        return extern
