"""Components in the engine's own runtime, as hosts run them: public names of wasmtime-py, which nothing else needs.

https://bytecodealliance.github.io/wasmtime-py/
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import wasmtime
from wasmtime import component as runtime

from ..values import EngineError
from .config import STRATEGY_WINCH

#: Proposals that are not on by themselves.
_PROPOSALS = ("wasm_exceptions", "wasm_memory64", "wasm_multi_memory", "wasm_function_references")

#: Classes of values, as wasmtime-py takes them; see `record` and `variant`.
RECORD, VARIANT = runtime.Record, runtime.Variant


class ComponentTrapped(Exception):
    """A function trapped; the argument says how."""


class World(NamedTuple):
    """What instances see, but for clocks and random numbers, which are the host's. They print nowhere.

    `folders`: folder and guest path of each. `stdin`: a file.
    """

    environment: Sequence[tuple[str, str]]
    arguments: Sequence[str]
    folders: Sequence[tuple[str, str]]
    stdin: str


def record(names: Sequence[str], values: Sequence[Any]) -> Any:
    made = runtime.Record()
    for name, value in zip(names, values, strict=True):
        setattr(made, name, value)
    return made


def variant(label: str, payload: Any) -> Any:
    return runtime.Variant(label, payload)


class ComponentEngine:
    """An engine for components. `interruptible`: it can be stopped."""

    def __init__(self, winch: bool, interruptible: bool) -> None:
        self.interruptible = interruptible
        config = wasmtime.Config()
        if winch:
            wasmtime._ffi.wasmtime_config_strategy_set(config.ptr(), STRATEGY_WINCH)  # the property refuses the word
        else:
            for name in _PROPOSALS:
                setattr(config, name, True)
        config.epoch_interruption = interruptible
        self.engine = wasmtime.Engine(config)

    def increment_epoch(self) -> None:
        """Stops what runs."""
        self.engine.increment_epoch()


class CompiledComponent:
    """A compiled component, ready to be started any number of times. Raises `EngineError`."""

    def __init__(self, engine: ComponentEngine, wasm: bytes) -> None:
        self._engine = engine
        with _problems():
            self._component = runtime.Component(engine.engine, wasm)
            self._linker = runtime.Linker(engine.engine)
            self._linker.add_wasip2()
            self._linker.define_unknown_imports_as_traps(self._component)

    def start(self, world: World, calls: Sequence[tuple[tuple[str, ...], tuple[Any, ...]]]) -> tuple[float, Any]:
        """A fresh instance in which those functions were called: name, or instance and name, and values.

        Seconds that it took, and what `close` frees. Raises `ComponentTrapped`, `EngineError`.
        """
        store = wasmtime.Store(self._engine.engine)
        with _problems():
            store.set_wasi(_wasi(world))
            if self._engine.interruptible:
                store.set_epoch_deadline(1)
            began = time.perf_counter()
            instance = self._linker.instantiate(store, self._component)
            for path, values in calls:
                function = _function(store, instance, path)
                function(store, *values)
                function.post_return(store)
            return time.perf_counter() - began, store


def _wasi(world: World) -> wasmtime.WasiConfig:
    found = wasmtime.WasiConfig()
    found.env = list(world.environment)
    found.argv = list(world.arguments)
    found.stdin_file = world.stdin
    for folder, guest_path in world.folders:
        found.preopen_dir(folder, guest_path)
    return found


def _function(store: wasmtime.Store, instance: Any, path: tuple[str, ...]) -> Any:
    index = None
    for name in path:
        index = instance.get_export_index(store, name, index)
        if index is None:
            raise EngineError(f"there is no export {name!r}")
    return instance.get_func(store, index)


@contextmanager
def _problems() -> Iterator[None]:
    """What wasmtime-py raises, as our errors."""
    try:
        yield
    except wasmtime.Trap as trap:
        raise ComponentTrapped(_last_line(trap)) from trap
    except wasmtime.WasmtimeError as problem:
        raise EngineError(_last_line(problem)) from problem
    except (TypeError, ValueError, NotImplementedError) as problem:
        raise EngineError(f"such values can't be passed: {problem}") from problem


def _last_line(problem: Exception) -> str:
    return [line.strip() for line in str(problem).splitlines() if line.strip()][-1]
