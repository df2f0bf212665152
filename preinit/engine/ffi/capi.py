"""The engine's C API: of its 744 functions those that are used here, each declared when it is first used.

The package `wasmtime` declares all of them when it is imported, which takes a sixth of a small build. So only its
library is opened; tests compare each declaration with the package's. https://docs.wasmtime.dev/c-api/
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from typing import Any

#: Result and parameters: `p` an address, `v` nothing, `b` a bool, and integers as `struct` writes them.
SIGNATURES = {
    "wasm_byte_vec_delete": "vp",
    "wasm_byte_vec_new_uninitialized": "vpQ",
    "wasm_config_delete": "vp",
    "wasm_config_new": "p",
    "wasm_engine_delete": "vp",
    "wasm_engine_new_with_config": "pp",
    "wasm_frame_func_index": "Ip",
    "wasm_frame_func_offset": "Qp",
    "wasm_frame_vec_delete": "vp",
    "wasm_functype_delete": "vp",
    "wasm_functype_new": "ppp",
    "wasm_globaltype_delete": "vp",
    "wasm_globaltype_new": "ppB",
    "wasm_tabletype_delete": "vp",
    "wasm_tabletype_new": "ppp",
    "wasm_trap_delete": "vp",
    "wasm_trap_message": "vpp",
    "wasm_trap_trace": "vpp",
    "wasm_valtype_new": "pB",
    "wasm_valtype_vec_new": "vpQp",
    "wasmtime_anyref_i31_get_s": "bppp",
    "wasmtime_config_async_stack_size_set": "vpQ",
    "wasmtime_config_cranelift_flag_set": "vppp",
    "wasmtime_config_cranelift_nan_canonicalization_set": "vpb",
    "wasmtime_config_cranelift_opt_level_set": "vpB",
    "wasmtime_config_epoch_interruption_set": "vpb",
    "wasmtime_config_max_wasm_stack_set": "vpQ",
    "wasmtime_config_memory_guard_size_set": "vpQ",
    "wasmtime_config_memory_init_cow_set": "vpb",
    "wasmtime_config_memory_reservation_set": "vpQ",
    "wasmtime_config_native_unwind_info_set": "vpb",
    "wasmtime_config_parallel_compilation_set": "vpb",
    "wasmtime_config_shared_memory_set": "vpb",
    "wasmtime_config_strategy_set": "vpB",
    "wasmtime_config_wasm_compact_imports_set": "vpb",
    "wasmtime_config_wasm_custom_page_sizes_set": "vpb",
    "wasmtime_config_wasm_exceptions_set": "vpb",
    "wasmtime_config_wasm_function_references_set": "vpb",
    "wasmtime_config_wasm_gc_set": "vpb",
    "wasmtime_config_wasm_memory64_set": "vpb",
    "wasmtime_config_wasm_multi_memory_set": "vpb",
    "wasmtime_config_wasm_relaxed_simd_deterministic_set": "vpb",
    "wasmtime_config_wasm_relaxed_simd_set": "vpb",
    "wasmtime_config_wasm_tail_call_set": "vpb",
    "wasmtime_config_wasm_wide_arithmetic_set": "vpb",
    "wasmtime_context_set_epoch_deadline": "vpQ",
    "wasmtime_context_take_exception": "bpp",
    "wasmtime_engine_increment_epoch": "vp",
    "wasmtime_error_delete": "vp",
    "wasmtime_error_message": "vpp",
    "wasmtime_error_new": "pp",
    "wasmtime_error_wasm_trace": "vpp",
    "wasmtime_exnref_unroot": "vp",
    "wasmtime_frame_module_name": "pp",
    "wasmtime_func_call_unchecked": "ppppQp",
    "wasmtime_func_new_unchecked": "vpppppp",
    "wasmtime_global_get": "vppp",
    "wasmtime_global_new": "ppppp",
    "wasmtime_global_set": "pppp",
    "wasmtime_guestprofiler_finish": "ppp",
    "wasmtime_guestprofiler_new": "pppQpQ",
    "wasmtime_guestprofiler_sample": "vppQ",
    "wasmtime_instance_export_get": "bpppQp",
    "wasmtime_instance_new": "ppppQpp",
    "wasmtime_instance_pre_delete": "vp",
    "wasmtime_instance_pre_instantiate": "ppppp",
    "wasmtime_linker_define_func_unchecked": "pppQpQpppp",
    "wasmtime_linker_define_unknown_imports_as_traps": "ppp",
    "wasmtime_linker_delete": "vp",
    "wasmtime_linker_instantiate_pre": "pppp",
    "wasmtime_linker_new": "pp",
    "wasmtime_memory_data": "ppp",
    "wasmtime_memory_data_size": "Qpp",
    "wasmtime_memory_grow": "pppQp",
    "wasmtime_module_delete": "vp",
    "wasmtime_module_deserialize": "pppQp",
    "wasmtime_module_new": "pppQp",
    "wasmtime_module_serialize": "ppp",
    "wasmtime_module_validate": "pppQ",
    "wasmtime_pooling_allocation_config_delete": "vp",
    "wasmtime_pooling_allocation_config_max_component_instance_size_set": "vpQ",
    "wasmtime_pooling_allocation_config_max_core_instance_size_set": "vpQ",
    "wasmtime_pooling_allocation_config_max_memories_per_module_set": "vpI",
    "wasmtime_pooling_allocation_config_max_memory_size_set": "vpQ",
    "wasmtime_pooling_allocation_config_max_tables_per_module_set": "vpI",
    "wasmtime_pooling_allocation_config_new": "p",
    "wasmtime_pooling_allocation_config_table_elements_set": "vpQ",
    "wasmtime_pooling_allocation_config_total_component_instances_set": "vpI",
    "wasmtime_pooling_allocation_config_total_core_instances_set": "vpI",
    "wasmtime_pooling_allocation_config_total_gc_heaps_set": "vpI",
    "wasmtime_pooling_allocation_config_total_memories_set": "vpI",
    "wasmtime_pooling_allocation_config_total_stacks_set": "vpI",
    "wasmtime_pooling_allocation_config_total_tables_set": "vpI",
    "wasmtime_pooling_allocation_strategy_set": "vpp",
    "wasmtime_sharedmemory_data": "pp",
    "wasmtime_sharedmemory_data_size": "Qp",
    "wasmtime_store_context": "pp",
    "wasmtime_store_delete": "vp",
    "wasmtime_store_epoch_deadline_callback": "vpppp",
    "wasmtime_store_limiter": "vpqqqqq",
    "wasmtime_store_new": "pppp",
    "wasmtime_table_get": "bppQp",
    "wasmtime_table_grow": "pppQpp",
    "wasmtime_table_new": "ppppp",
    "wasmtime_table_set": "pppQp",
    "wasmtime_table_size": "Qpp",
    "wasmtime_trap_code": "bpp",
    "wasmtime_trap_new": "ppQ",
    "wasmtime_val_unroot": "vp",
    "wasmtime_wat2wasm": "ppQp",
}

_TYPES = {
    "v": None,
    "p": ctypes.c_void_p,
    "b": ctypes.c_bool,
    "B": ctypes.c_uint8,
    "I": ctypes.c_uint32,
    "Q": ctypes.c_uint64,
    "q": ctypes.c_int64,
}

#: What the library is called, by `sys.platform`.
_LIBRARIES = {"win32": "_wasmtime.dll", "darwin": "_libwasmtime.dylib"}
_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64", "ARM64": "aarch64"}


def machine() -> str:
    """What kind of processor this is, as the system calls it. Importing `platform` takes 2 ms."""
    if os.name == "posix":
        return os.uname().machine
    import platform

    return platform.machine()


def _library() -> str:
    """The file of the package's library. Raises `ImportError`."""
    package = find_spec("wasmtime")
    if package is None or not package.submodule_search_locations:
        raise ImportError("the package wasmtime is not installed", name="wasmtime")
    folder = f"{sys.platform}-{_MACHINES.get(machine(), machine())}"
    return os.path.join(package.submodule_search_locations[0], folder, _LIBRARIES.get(sys.platform, "_libwasmtime.so"))


library = ctypes.CDLL(_library())


def __getattr__(name: str) -> Any:
    """A function of the library, on its first use (PEP 562)."""
    signature = SIGNATURES.get(name)
    if signature is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(library, name)
    function.restype = _TYPES[signature[0]]
    function.argtypes = [_TYPES[letter] for letter in signature[1:]]
    globals()[name] = function
    return function


class Vector(ctypes.Structure):
    """`wasm_byte_vec_t`, and the vectors of other things: how many there are, and where."""

    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))

    def text(self) -> str:
        """Its bytes as text."""
        return ctypes.string_at(self.data, self.size).decode("utf-8", "replace") if self.size else ""


class Function(ctypes.Structure):
    """`wasmtime_func_t`."""

    _fields_ = (("store", ctypes.c_uint64), ("private", ctypes.c_void_p))


class Place(ctypes.Structure):
    """`wasmtime_table_t`, `wasmtime_memory_t`, `wasmtime_global_t`, and references to objects, which are as large."""

    _fields_ = (("store", ctypes.c_uint64), ("private", ctypes.c_uint64 * 2))


class _ExternUnion(ctypes.Union):
    _fields_ = (
        ("func", Function),
        ("global_", Place),
        ("table", Place),
        ("memory", Place),
        ("sharedmemory", ctypes.c_void_p),
    )


class Extern(ctypes.Structure):
    """`wasmtime_extern_t`; its kinds are `EXTERN_...`."""

    _fields_ = (("kind", ctypes.c_uint8), ("of", _ExternUnion))


EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_SHAREDMEMORY = range(5)


class _ValueUnion(ctypes.Union):
    _fields_ = (
        ("i32", ctypes.c_int32),
        ("i64", ctypes.c_int64),
        ("anyref", Place),
        ("funcref", Function),
        ("v128", ctypes.c_uint8 * 16),
    )


class Value(ctypes.Structure):
    """`wasmtime_val_t`; its kinds are `VAL_...`."""

    _fields_ = (("kind", ctypes.c_uint8), ("of", _ValueUnion))


VAL_I32, VAL_I64, VAL_F32, VAL_F64, VAL_V128, VAL_FUNCREF, VAL_EXTERNREF, VAL_ANYREF, VAL_EXNREF = range(9)


class RawValue(ctypes.Structure):
    """`wasmtime_val_raw_t`."""

    _fields_ = (("bits", ctypes.c_uint64 * 2),)


class Instance(ctypes.Structure):
    """`wasmtime_instance_t`."""

    _fields_ = (("store", ctypes.c_uint64), ("private", ctypes.c_size_t))


#: Kinds of `wasm_valtype_new`.
VALTYPES = {"i32": 0, "i64": 1, "f32": 2, "f64": 3, "funcref": 129}

#: Codes of traps.
STACK_OVERFLOW, MEMORY_OUT_OF_BOUNDS, TABLE_OUT_OF_BOUNDS, UNREACHABLE, INTERRUPT = 0, 1, 3, 9, 10
UNCAUGHT_EXCEPTION = 49
