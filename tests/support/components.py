"""Components: building them, and calling what outputs export in the engine's own runtime for components."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

import wasmtime
from wasmtime import component

from preinit import Options, Result, build
from preinit.passes.parse.text import wasm_tools
from tests.support.modules import wasm


def validate(binary: bytes) -> None:
    """Validates with all features: our own check leaves the function bodies to the engine."""
    done = subprocess.run([wasm_tools(), "validate", "--features", "all", "-"], input=binary, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def build_component(text: str, *calls: str, **options: Any) -> Result:
    """Builds a component in the text format, and validates the output. `calls`: what is run."""
    fields = {"cache": False, **({"init_funcs": calls} if calls else {}), **options}
    result = build(wasm(text), Options(**fields))
    validate(result.wasm)
    return result


class RunningComponent:
    """An instance in the engine's own runtime for components. Where it imports WASI 0.2: with nothing to see."""

    def __init__(self, binary: bytes, wasi: bool = False) -> None:
        config = wasmtime.Config()
        config.wasm_exceptions = True
        engine = wasmtime.Engine(config)
        self._store = wasmtime.Store(engine)
        linker = component.Linker(engine)
        if wasi:
            self._store.set_wasi(wasmtime.WasiConfig())
            linker.add_wasip2()
        made = component.Component(engine, binary)
        if not wasi:
            linker.define_unknown_imports_as_traps(made)
        self._instance = linker.instantiate(self._store, made)

    def _function(self, name: str) -> Any:
        interface, hash_, inner = name.partition("#")
        if not hash_:
            return self._instance.get_func(self._store, name)
        outer = self._instance.get_export_index(self._store, interface)
        assert outer is not None, f"there is no export {interface!r}"
        index = self._instance.get_export_index(self._store, inner, outer)
        return index and self._instance.get_func(self._store, index)

    def has(self, name: str) -> bool:
        """Whether it exports that function."""
        return self._function(name) is not None

    def answer(self, name: str) -> Any:
        """What a call returns, or why it trapped: nothing can be called after that."""
        try:
            return self.call(name)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
            return str(problem).strip().splitlines()[-1]

    def call(self, name: str, *values: Any) -> Any:
        """`name`: of a function, or `interface#function`."""
        function = self._function(name)
        assert function is not None, f"there is no export {name!r}"
        result = function(self._store, *values)
        function.post_return(self._store)
        return result


def answers(text: str, calls: Sequence[str], *asked: str, **options: Any) -> list[Any]:
    """What exports of the output return."""
    running = RunningComponent(build_component(text, *calls, **options).wasm)
    return [running.call(name) for name in asked]
