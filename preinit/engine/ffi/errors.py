"""Errors and traps, from the engine's own objects to exceptions."""

from __future__ import annotations

import ctypes
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from ..values import EngineError, GuestTrapped, RawFrame


def raise_error(pointer: Any) -> None:
    if pointer:
        raise EngineError(str(wasmtime.WasmtimeError._from_ptr(pointer)))


def raise_host_error(pointer: Any) -> None:
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


def raise_trap(pointer: Any) -> None:
    if not pointer:
        return
    trap = wasmtime.Trap._from_ptr(pointer)
    code = ffi.wasmtime_trap_code_t()
    # `Trap.trap_code` raises ValueError on a code that the binding's enumeration does not list.
    known = ffi.wasmtime_trap_code(trap.ptr(), ctypes.byref(code))
    frames = tuple(RawFrame(f.func_index, f.func_offset, f.module_name) for f in trap.frames)
    raise GuestTrapped(trap.message, code.value if known else None, frames)
