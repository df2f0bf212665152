"""The shapes of components: fixtures/shapes/components, and how they are run in the engine's runtime for components.

A shape exports an initializer and checks, as core modules do in fixtures/shapes. One that gives its initializer values
says so in its first line: `;; run: wizer-initialize(1, "two")`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from wasmtime import Config, Engine, Store, Trap, WasiConfig, WasmtimeError
from wasmtime import component as runtime

COMPONENTS = Path(__file__).resolve().parent.parent / "fixtures/shapes/components"
INITIALIZER = "wizer-initialize"


def _item(name: str, far: int) -> runtime.Record:
    made = runtime.Record()
    made.name, made.far = name, far
    return made


#: The values that initializers are given, as first lines write them, and as the engine's runtime takes them.
VALUES: dict[str, tuple[Any, ...]] = {
    "200, -3, 0.25, -1.5, 'ü', true, \"hello\", 18446744073709551615": (
        *(200, -3, 0.25, -1.5, "ü", True, "hello", 18446744073709551615),
    ),
    '[{name: "a", far: 5}, {name: "bcd", far: 6}], (1, "x"), [[1, 2], []]': (
        *([_item("a", 5), _item("bcd", 6)], (1, "x"), [[1, 2], []]),
    ),
    'text("x"), dark, {a, c}, some(7), none, ok(3), err("no")': ("x", "dark", {"a", "c"}, 7, None, 3, "no"),
    ", ".join(map(str, range(20))): tuple(range(20)),
    '"grüße", "\U0001f600"': ("grüße", "\U0001f600"),
}


def initializer(text: str) -> tuple[str, tuple[Any, ...]]:
    """The call that is run, in WAVE, and its values for the engine's runtime."""
    match = re.match(r";; run: ([\w-]+\((.*)\))\n", text)
    return (match[1], VALUES[match[2]]) if match else (INITIALIZER, ())


class Instance:
    """An instance of a component, with a host of which there is nothing to see. Raises `WasmtimeError`, `Trap`."""

    def __init__(self, binary: bytes) -> None:
        config = Config()
        for name in ("wasm_exceptions", "wasm_memory64", "wasm_multi_memory", "wasm_function_references"):
            setattr(config, name, True)
        engine = Engine(config)
        self._store = Store(engine)
        self._store.set_wasi(WasiConfig())
        linker = runtime.Linker(engine)
        linker.add_wasip2()
        made = runtime.Component(engine, binary)
        self._instance = linker.instantiate(self._store, made)

    def has(self, name: str) -> bool:
        return self._instance.get_func(self._store, name) is not None

    def call(self, name: str, *values: Any) -> str:
        """What an export returns, or why it trapped."""
        function = self._instance.get_func(self._store, name)
        if function is None:
            return "no such export"
        try:
            result = repr(function(self._store, *values))
            function.post_return(self._store)
            return result
        except Trap as trap:
            return trap.trap_code.name if trap.trap_code else "a trap of no kind"
        except WasmtimeError as problem:
            return str(problem).strip().splitlines()[-1].strip()


def component_answers(binary: bytes, checks: list[str], values: tuple[Any, ...] | None = None) -> list[str]:
    """What the checks return. `values`: of the initializer, which is run first; None: it is not."""
    instance = Instance(binary)
    if values is not None and (result := instance.call(INITIALIZER, *values)) != "None":
        raise ValueError(f"{INITIALIZER}: {result}")
    return [instance.call(check) for check in checks]
