"""Everything that goes past wasmtime's public Python classes, in one place.

The public classes are right for most programs; for a tool that takes any module they are not: they abort the process
on types that they don't know (v128, typed references), copy whole modules, quieten signalling NaNs and hide pointers.
Each function here says which public call it stands for, and why.

Nothing here checks what comes from outside: callers hand over modules that were parsed, and names that exist.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from .values import EngineError, GuestTrapped, RawFrame, RawValue

STRATEGY_WINCH = 2

_KIND_MEMORY_SHARED = 4
_VAL_FUNCREF, _VAL_EXTERNREF, _VAL_ANYREF, _VAL_EXNREF = 5, 6, 7, 8

#: A trap's code when an exception left the outermost function.
UNCAUGHT_EXCEPTION = wasmtime.TrapCode.UNCAUGHT_EXCEPTION.value


def _raise_error(pointer: Any) -> None:
    if pointer:
        raise EngineError(str(wasmtime.WasmtimeError._from_ptr(pointer)))


def _raise_host_error(pointer: Any) -> None:
    """A call that a host function ended comes back as an error, which carries the frames all the same."""
    if not pointer:
        return
    error = wasmtime.WasmtimeError._from_ptr(pointer)
    vector = ffi.wasm_frame_vec_t()
    ffi.wasmtime_error_wasm_trace(error.ptr(), ctypes.byref(vector))
    try:
        frames = tuple(
            RawFrame(ffi.wasm_frame_func_index(frame), ffi.wasm_frame_func_offset(frame), _module_name(frame))
            for frame in (vector.data[position] for position in range(vector.size))
        )
    finally:
        ffi.wasm_frame_vec_delete(ctypes.byref(vector))
    raise GuestTrapped(str(error), None, frames)


def _module_name(frame: Any) -> str | None:
    name = ffi.wasmtime_frame_module_name(frame)
    return ffi.to_str(name.contents) if name else None


def _raise_trap(pointer: Any) -> None:
    if not pointer:
        return
    trap = wasmtime.Trap._from_ptr(pointer)
    code = ffi.wasmtime_trap_code_t()
    # `Trap.trap_code` raises ValueError on a code that the binding's enumeration does not list.
    known = ffi.wasmtime_trap_code(trap.ptr(), ctypes.byref(code))
    frames = tuple(RawFrame(f.func_index, f.func_offset, f.module_name) for f in trap.frames)
    raise GuestTrapped(trap.message, code.value if known else None, frames)


# -- configuration -----------------------------------------------------------------------------------------------------


def use_winch(config: wasmtime.Config) -> None:
    """For `Config.strategy = "winch"`: the property refuses the word, the C API takes it."""
    ffi.wasmtime_config_strategy_set(config.ptr(), STRATEGY_WINCH)


def allow_compact_imports(config: wasmtime.Config) -> None:
    """For `Config.wasm_compact_imports = True`, which the public class does not have."""
    ffi.wasmtime_config_wasm_compact_imports_set(config.ptr(), True)


def set_stack(config: wasmtime.Config, size: int) -> None:
    """For `Config.max_wasm_stack = size` (bytes), which panics while the async stack is smaller."""
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), size + (1 << 20))
    config.max_wasm_stack = size


def load_cache(config: wasmtime.Config, path: str) -> bool:
    """For `Config.cache = path`: False instead of an exception when the folder can't be used."""
    error = ffi.wasmtime_config_cache_config_load(config.ptr(), ctypes.create_string_buffer(path.encode()))
    if error:
        wasmtime.WasmtimeError._from_ptr(error)  # owns the error: it is freed with it
        return False
    return True


# -- modules -----------------------------------------------------------------------------------------------------------


def _borrow(data: bytes) -> Any:
    """A pointer to the bytes themselves: `Module()` copies them twice. `data` must outlive the call."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))


def compile_module(engine: wasmtime.Engine, data: bytes) -> wasmtime.Module:
    """For `Module(engine, data)`, without copies of `data`. Raises `EngineError`."""
    pointer = ctypes.POINTER(ffi.wasmtime_module_t)()
    _raise_error(ffi.wasmtime_module_new(engine.ptr(), _borrow(data), len(data), ctypes.byref(pointer)))
    return wasmtime.Module._from_ptr(pointer)


def validate(engine: wasmtime.Engine, data: bytes) -> None:
    """For `Module.validate(engine, data)`, without copies of `data`. Raises `EngineError`."""
    _raise_error(ffi.wasmtime_module_validate(engine.ptr(), _borrow(data), len(data)))


# -- instances ---------------------------------------------------------------------------------------------------------


def instantiate(store: wasmtime.Store, module: wasmtime.Module, externs: Sequence[Any]) -> Any:
    """For `Instance(store, module, imports)`, which asks each import for its type and aborts on some.

    `externs` stand in the order of the module's imports. Raises `EngineError`, `GuestTrapped`.
    """
    array = (ffi.wasmtime_extern_t * max(len(externs), 1))()
    for position, extern in enumerate(externs):
        array[position] = extern
    instance = ffi.wasmtime_instance_t()
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    _raise_error(
        ffi.wasmtime_instance_new(
            store._context(), module.ptr(), array, len(externs), ctypes.byref(instance), ctypes.byref(trap)
        )
    )
    _raise_trap(trap)
    return instance


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
    _raise_host_error(error)
    _raise_trap(trap)
    return [ctypes.string_at(ctypes.byref(values[position]), 16) for position in range(results)]


def takes_exception(store: wasmtime.Store) -> bool:
    """Whether an exception was thrown that nothing caught; it is forgotten. The public API has no word for it."""
    exception = ffi.wasmtime_exnref_t()
    if not ffi.wasmtime_context_take_exception(store._context(), ctypes.byref(exception)):
        return False
    ffi.wasmtime_exnref_unroot(ctypes.byref(exception))
    return True


# -- host functions ----------------------------------------------------------------------------------------------------

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


# -- state -------------------------------------------------------------------------------------------------------------


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


def memory_view(address: int, size: int) -> memoryview:
    """The bytes of a memory, writable and not copied; valid until the guest runs again."""
    if not size:
        return memoryview(b"")
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")


def _read_value(store: wasmtime.Store, value: Any, size: int) -> RawValue:
    bits = ctypes.string_at(ctypes.addressof(value) + ffi.wasmtime_val_t.of.offset, 16)
    kind = value.kind
    if kind < _VAL_FUNCREF:
        return RawValue("number", bits[:size])
    if not any(bits[:8]):  # a null reference's store identity is zero
        return RawValue("null", b"")
    if kind == _VAL_FUNCREF:
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


def function_pointer(extern: Any) -> bytes | None:
    """A function's identity, as `RawValue.bits` has it; None for an extern of another kind."""
    if extern.kind != ffi.WASMTIME_EXTERN_FUNC.value:
        return None
    offset = ffi.wasmtime_extern_t.of.offset + 8  # after the store's identity, as in a value
    return ctypes.string_at(ctypes.addressof(extern) + offset, 8)


def table_size(store: wasmtime.Store, extern: Any) -> int:
    """For `Table.size`, which is reached only through an export's type."""
    return int(ffi.wasmtime_table_size(store._context(), ctypes.byref(extern.of.table)))


#: `wasmtime_table_get` with addresses as plain numbers: building a pointer object for each entry takes longer.
_TABLE_GET = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(
    ("wasmtime_table_get", ffi.dll)
)
#: Kind, store identity and function pointer of a value.
_FUNCREF = struct.Struct(f"<B7x8s8s{ctypes.sizeof(ffi.wasmtime_val_t) - 24}x")
_NULL = RawValue("null", b"")


def table_values(store: wasmtime.Store, extern: Any) -> list[RawValue]:
    """For `Table.get` at every index: that makes an object of each function, and a `Val` of null."""
    size = table_size(store, extern)
    values = (ffi.wasmtime_val_t * size)()
    context = ctypes.addressof(store._context().contents)
    table, first, step = ctypes.addressof(extern.of.table), ctypes.addressof(values), ctypes.sizeof(ffi.wasmtime_val_t)
    for index in range(size):
        if not _TABLE_GET(context, table, index, first + index * step):
            raise IndexError(index)
    result = []
    null = bytes(8)
    for index, (kind, identity, pointer) in enumerate(_FUNCREF.iter_unpack(values)):
        if identity == null:
            result.append(_NULL)
        elif kind == _VAL_FUNCREF:
            result.append(RawValue("func", pointer))
        else:
            result.append(_read_value(store, values[index], 0))
    return result
