"""Errors and traps, from the engine's own objects to exceptions. Each of them is freed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from ..values import EngineError, GuestTrapped, RawFrame
from . import capi


def raise_error(pointer: int | None) -> None:
    """Raises the `EngineError` at that address, if there is one."""
    if not pointer:
        return
    try:
        message = _said(capi.wasmtime_error_message, pointer)
    finally:
        capi.wasmtime_error_delete(pointer)
    raise EngineError(message)


def raise_host_error(pointer: int | None, framed: bool = True) -> None:
    """A call that a host function ended comes back as an error, which carries the frames all the same.

    `framed`: whether they are read, each of which takes 5 us.
    """
    if not pointer:
        return
    try:
        message = _said(capi.wasmtime_error_message, pointer)
        frames = _frames(capi.wasmtime_error_wasm_trace, pointer) if framed else ()
    finally:
        capi.wasmtime_error_delete(pointer)
    raise GuestTrapped(message, None, frames)


def raise_trap(trap: ctypes.c_void_p, framed: bool = True) -> None:
    """Raises the `GuestTrapped` at that address, if there is one. `framed`: with its frames."""
    pointer = trap.value
    if not pointer:
        return
    trap.value = None
    code = ctypes.c_uint8()
    try:
        known = capi.wasmtime_trap_code(pointer, ctypes.byref(code))
        message = _said(capi.wasm_trap_message, pointer).removesuffix("\0")
        frames = _frames(capi.wasm_trap_trace, pointer) if framed else ()
    finally:
        capi.wasm_trap_delete(pointer)
    raise GuestTrapped(message, code.value if known else None, frames)


def _said(ask: Callable[..., None], pointer: int) -> str:
    vector = capi.Vector()
    ask(pointer, ctypes.byref(vector))
    try:
        return vector.text()
    finally:
        capi.wasm_byte_vec_delete(ctypes.byref(vector))


def _frames(ask: Callable[..., None], pointer: int) -> tuple[RawFrame, ...]:
    vector = capi.Vector()
    ask(pointer, ctypes.byref(vector))
    try:
        places = (ctypes.c_void_p * vector.size).from_address(vector.data) if vector.size else ()
        return tuple(
            RawFrame(capi.wasm_frame_func_index(at), capi.wasm_frame_func_offset(at), _module_name(at)) for at in places
        )
    finally:
        capi.wasm_frame_vec_delete(ctypes.byref(vector))


def _module_name(frame: int) -> str | None:
    name = capi.wasmtime_frame_module_name(frame)
    return capi.Vector.from_address(name).text() if name else None
