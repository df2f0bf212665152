"""The declarations of the engine's C API are those of the package whose library is opened."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import pytest
import wasmtime
from wasmtime import _bindings

from preinit.engine import ffi
from preinit.engine.ffi import capi
from tests.support.places import ROOT

LETTERS = {None: "v", ctypes.c_bool: "b", ctypes.c_uint8: "B", ctypes.c_uint32: "I", ctypes.c_void_p: "p"}
WIDE = {ctypes.c_uint64: "Q", ctypes.c_int64: "q", ctypes.c_size_t: "Q"}
STRUCTURES = {
    "wasm_byte_vec_t": capi.Vector,
    "wasm_frame_vec_t": capi.Vector,
    "wasm_valtype_vec_t": capi.Vector,
    "wasmtime_func_t": capi.Function,
    "wasmtime_table_t": capi.Place,
    "wasmtime_memory_t": capi.Place,
    "wasmtime_global_t": capi.Place,
    "wasmtime_anyref_t": capi.Place,
    "wasmtime_exnref_t": capi.Place,
    "wasmtime_extern_t": capi.Extern,
    "wasmtime_val_t": capi.Value,
    "wasmtime_val_raw_t": capi.RawValue,
    "wasmtime_instance_t": capi.Instance,
}


def letter(kind: Any) -> str:
    if kind in WIDE:
        return WIDE[kind]
    return LETTERS.get(kind, "p")


@pytest.mark.parametrize("name", capi.SIGNATURES)
def test_a_function_is_declared_as_the_package_declares_it(name: str) -> None:
    theirs = getattr(_bindings, f"_{name}")
    assert capi.SIGNATURES[name] == "".join(map(letter, (theirs.restype, *theirs.argtypes)))


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_layout_of_that_of_the_package(name: str) -> None:
    ours, theirs = STRUCTURES[name], getattr(_bindings, name)
    assert (ctypes.sizeof(ours), ctypes.alignment(ours)) == (ctypes.sizeof(theirs), ctypes.alignment(theirs))
    for field in {field for field, *_ in theirs._fields_} & {field for field, *_ in ours._fields_}:
        assert getattr(ours, field).offset == getattr(theirs, field).offset


@pytest.mark.parametrize(
    "name", ["STACK_OVERFLOW", "MEMORY_OUT_OF_BOUNDS", "TABLE_OUT_OF_BOUNDS", "INTERRUPT", "UNCAUGHT_EXCEPTION"]
)
def test_a_trap_has_that_of_the_package_code(name: str) -> None:
    assert getattr(capi, name) == wasmtime.TrapCode[name].value


def test_kinds_are_that_of_the_package() -> None:
    assert wasmtime.TrapCode.UNREACHABLE.value == capi.UNREACHABLE
    theirs = wasmtime._ffi
    for kind in ("FUNC", "GLOBAL", "TABLE", "MEMORY", "SHAREDMEMORY"):
        assert getattr(capi, f"EXTERN_{kind}") == getattr(theirs, f"WASMTIME_EXTERN_{kind}").value
    for kind in ("I32", "I64", "F32", "F64", "V128", "FUNCREF", "EXTERNREF"):
        assert getattr(capi, f"VAL_{kind}") == getattr(theirs, f"WASMTIME_{kind}").value
    for kind in ("i32", "i64", "f32", "f64", "funcref"):
        assert capi.VALTYPES[kind] == getattr(theirs, f"WASM_{kind.upper()}").value


def test_every_function_that_is_used_is_declared() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "preinit/engine/ffi").glob("*.py")]
    used = {name for source in sources for name in re.findall(r"\bcapi\.(wasm[a-z0-9_]*)", source)}
    assert used <= capi.SIGNATURES.keys()


def test_that_of_the_package_own_library_is_opened() -> None:
    assert ffi.library() == _bindings.dll._name


def test_what_is_closed_is_not_used_any_more() -> None:
    engine = ffi.Engine(ffi.Config())
    store = ffi.Store(engine)
    store.close()
    store.close()
    with pytest.raises(ValueError, match="this Store is closed"):
        store.context()


def test_settings_belong_to_one_engine() -> None:
    config = ffi.Config()
    ffi.Engine(config)
    with pytest.raises(ValueError, match="this Config is closed"):
        ffi.Engine(config)
