"""All frames of the guest, of which a trap's backtrace holds the innermost 20."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from .errors import raise_error

#: What the profiler calls a function that has no name: its index among those that the module defines.
_UNNAMED = re.compile(r"<wasm function ([0-9]+)>")


def stack(store: wasmtime.Store, modules: Sequence[wasmtime.Module]) -> list[tuple[int, int]]:
    """The frames of those modules, innermost first: number of the module, index among the functions that it defines.

    Frames of other modules are left out. To be called by a function of the host that the guest called. The public API
    has no word for the profiler, whose samples have all frames. The modules must have no names of functions.
    """
    import json  # takes 2 ms, which most builds do not need

    held: list[Any] = []
    listed = (ffi.wasmtime_guestprofiler_modules_t * max(len(modules), 1))()
    for number, module in enumerate(modules):
        listed[number].name = ctypes.pointer(_name(str(number), held))
        listed[number].mod = module.ptr()
    title = _name("guest", held)
    profiler = ffi.wasmtime_guestprofiler_new(store.engine.ptr(), ctypes.byref(title), 1, listed, len(modules))
    ffi.wasmtime_guestprofiler_sample(profiler, store.ptr(), 1)
    vector = ffi.wasm_byte_vec_t()
    raise_error(ffi.wasmtime_guestprofiler_finish(profiler, ctypes.byref(vector)))
    try:
        return _frames(json.loads(ctypes.string_at(vector.data, vector.size)))
    finally:
        ffi.wasm_byte_vec_delete(ctypes.byref(vector))


def _name(text: str, held: list[Any]) -> Any:
    data = (ctypes.c_uint8 * len(text))(*text.encode())
    name = ffi.wasm_byte_vec_t()
    name.size = len(text)
    name.data = ctypes.cast(data, type(name.data))
    held.append((data, name))
    return name


def _frames(profile: Any) -> list[tuple[int, int]]:
    """From https://github.com/firefox-devtools/profiler/blob/main/docs-developer/gecko-profile-format.md ."""
    thread = profile["threads"][0]
    samples = thread["samples"]["stack"]
    functions, strings, libraries = thread["funcTable"], thread["stringArray"], thread["resourceTable"]["lib"]
    found: list[tuple[int, int]] = []
    known: dict[int, tuple[int, int]] = {}
    at = samples[-1] if samples else None
    while at is not None:
        function = thread["frameTable"]["func"][thread["stackTable"]["frame"][at]]
        if function not in known:
            named = _UNNAMED.fullmatch(strings[functions["name"][function]])
            library = profile["libs"][libraries[functions["resource"][function]]]["name"]
            known[function] = int(library), int(named[1]) if named else -1
        found.append(known[function])
        at = thread["stackTable"]["prefix"][at]
    return found
