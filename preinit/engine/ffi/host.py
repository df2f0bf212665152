"""Functions of the host."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

from . import capi
from .objects import Store

#: A function of the host: takes the raw arguments (unsigned 64-bit), returns the raw result or None.
HostFunction = Callable[..., int | None]

#: The engine's callback type with addresses as plain numbers: pointer objects take longer than most functions.
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

#: The same for an epoch's end, and `wasmtime_store_epoch_deadline_callback`, which takes it.
_EPOCH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64), ctypes.c_void_p
)
_SET_EPOCH_CALLBACK = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, _EPOCH_CALLBACK, ctypes.c_void_p, ctypes.c_void_p)(
    ("wasmtime_store_epoch_deadline_callback", capi.library)
)

#: Bytes of a raw value, and how arguments lie in them; a result as all 64 bits.
SLOT = 16
PACKED = {"i32": "I12x", "i64": "Q8x", "f32": "I12x", "f64": "Q8x"}
RESULT = struct.Struct("<Q")


class HostFunctions:
    """Functions of the host for one store.

    What a function raises is kept. Keep the object as long as the store: it owns the callbacks.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._callbacks: list[Any] = []
        self.raised: BaseException | None = None

    def stop_when(self, error: Callable[[], BaseException | None]) -> None:
        """Ends this store's guest, not all guests of an engine, as `Store.set_epoch_deadline` alone would.

        Where the engine's epoch was advanced, the store's guest ends with what `error` returns, or goes on.
        """

        def callback(_context: Any, _data: Any, delta: Any, _kind: Any) -> int:
            delta[0] = 1
            try:
                self.raised = error()
            except BaseException as problem:
                self.raised = problem
            if self.raised is None:
                return 0
            ended: int | None = capi.wasmtime_error_new(b"the time is over")
            return ended or 0

        kept = _EPOCH_CALLBACK(callback)
        self._callbacks.append(kept)
        _SET_EPOCH_CALLBACK(self._store.ptr(), kept, None, None)

    def close(self) -> None:
        """Drops the callbacks, and what they hold. The store must be closed."""
        self._callbacks.clear()
        self.raised = None

    def define(self, parameters: Sequence[str], results: Sequence[str], function: HostFunction) -> Any:
        """An extern that calls `function`. Types are "i32", "i64", "f32" or "f64", the last two as bits; at most one
        result."""
        kind = self._store.engine.function_type(parameters, results)
        arguments = struct.Struct("<" + "".join(map(PACKED.__getitem__, parameters))).unpack_from
        values = ctypes.c_ubyte * (SLOT * max(len(parameters), len(results)))
        store_result = RESULT.pack_into if results else None
        place, slots = None, values()

        def callback(_env: Any, _caller: Any, raw: int | None, _size: int) -> int:
            nonlocal place, slots
            try:
                if raw != place:  # a loop calls from the same depth of the stack
                    place, slots = raw, values.from_address(raw) if raw else values()
                mine = slots
                result = function(*arguments(mine))
                if store_result:
                    store_result(mine, 0, result or 0)
                return 0
            except BaseException as problem:  # an exception that leaves a callback would be printed and ignored
                self.raised = problem
                trap: int | None = capi.wasmtime_trap_new(b"host", 4)
                return trap or 0

        kept = CALLBACK(callback)
        self._callbacks.append(kept)
        extern = capi.Extern()
        extern.kind = capi.EXTERN_FUNC
        capi.wasmtime_func_new_unchecked(self._store.context(), kind, kept, None, None, ctypes.byref(extern.of.func))
        return extern
