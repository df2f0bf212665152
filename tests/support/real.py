"""Real modules that scripts/fetch_real downloads, and their outputs at work."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from preinit import Host, Options
from preinit.engine.runtime import GUEST_STACK, Deadline
from scripts.real import RealModule, real_modules

REAL = {entry.name: entry for entry in real_modules()}


def module(name: str) -> RealModule:
    if name not in REAL:
        pytest.skip(f"scripts/fetch_real {name} fetches this module")
    return REAL[name]


def options(entry: RealModule, **more: object) -> Options:
    return Options(init_funcs=entry.init_funcs, host=Host(dirs=entry.dirs), **more)  # type: ignore[arg-type]


def _define_ruby_handles(linker: wasmtime.Linker) -> None:
    """What ruby.wasm's JavaScript glue provides so that Ruby objects have handles."""
    handles: list[int] = []
    i32 = wasmtime.ValType.i32

    def new(value: int) -> int:
        handles.append(value)
        return len(handles) - 1

    one_to_one = wasmtime.FuncType([i32()], [i32()])
    linker.define_func("canonical_abi", "resource_new_rb-abi-value", one_to_one, new)
    one_to_one = wasmtime.FuncType([i32()], [i32()])
    linker.define_func("canonical_abi", "resource_get_rb-abi-value", one_to_one, handles.__getitem__)


def _engine() -> wasmtime.Engine:
    """One that compiles quickly, with a deep stack; it panics where its asynchronous stack is not deeper."""
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    wasmtime._ffi.wasmtime_config_async_stack_size_set(config.ptr(), 2 * GUEST_STACK)
    config.max_wasm_stack = GUEST_STACK
    return wasmtime.Engine(config)


class Guest:
    """An output in the engine's own WASI, with a deep stack; `out` collects what it prints."""

    def __init__(
        self, binary: bytes, tmp_path: Path, argv: tuple[str, ...] = (), dirs: tuple[tuple[str, str], ...] = ()
    ):
        engine = _engine()
        self._deadline = Deadline(None)
        self.store = wasmtime.Store(engine)
        self._out = tmp_path / "out"
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(argv)
        wasi.stdout_file = str(self._out)
        for host, guest in dirs:
            wasi.preopen_dir(host, guest)
        self.store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        _define_ruby_handles(linker)
        compiled = wasmtime.Module(engine, binary)
        linker.define_unknown_imports_as_traps(compiled)
        self.exports = linker.instantiate(self.store, compiled).exports(self.store)
        self.memory = self.exports["memory"]

    def call(self, prefix: str, *arguments: int) -> Any:
        """Calls the export whose name is, or starts with, `prefix`."""
        names = [export for export in self.exports if export == prefix or export.startswith(prefix + ":")]
        function = self.exports[names[0]]
        return self._deadline.start(lambda: function(self.store, *arguments)).result()

    def put(self, data: bytes) -> int:
        place = int(self.call("cabi_realloc", 0, 0, 8, len(data)))
        self.memory.write(self.store, data, place)
        return place

    def words(self, place: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.memory.read(self.store, place, place + 4 * count))

    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")
