"""All frames of the guest, of which a trap's backtrace holds the innermost 20."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import Any

from . import capi
from .errors import raise_error
from .objects import Module, Store

#: What the profiler calls a function that has no name: its index among those that the module defines.
_UNNAMED = re.compile(r"<wasm function ([0-9]+)>")


class _Listed(ctypes.Structure):
    """`wasmtime_guestprofiler_modules_t`."""

    _fields_ = (("name", ctypes.c_void_p), ("module", ctypes.c_void_p))


def stack(store: Store, modules: Sequence[Module]) -> list[tuple[int, int]]:
    """The frames of those modules, innermost first: number of the module, index among the functions that it defines.

    Frames of other modules are left out. To be called by a function of the host that the guest called. The
    samples of the engine's profiler have all frames. The modules must have no names of functions.
    """
    import json  # takes 2 ms, which most builds do not need

    names = [ctypes.create_string_buffer(str(number).encode()) for number in range(len(modules))]
    vectors = [capi.Vector(len(name) - 1, ctypes.addressof(name)) for name in names]
    listed = (_Listed * max(len(modules), 1))()
    for number, module in enumerate(modules):
        listed[number].name, listed[number].module = ctypes.addressof(vectors[number]), module.ptr()
    title = ctypes.create_string_buffer(b"guest")
    named = capi.Vector(len(title) - 1, ctypes.addressof(title))
    profiler = capi.wasmtime_guestprofiler_new(store.engine.ptr(), ctypes.byref(named), 1, listed, len(modules))
    capi.wasmtime_guestprofiler_sample(profiler, store.ptr(), 1)
    vector = capi.Vector()
    raise_error(capi.wasmtime_guestprofiler_finish(profiler, ctypes.byref(vector)))
    try:
        return _frames(json.loads(ctypes.string_at(vector.data, vector.size)))
    finally:
        capi.wasm_byte_vec_delete(ctypes.byref(vector))


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
