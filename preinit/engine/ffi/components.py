"""Components in the engine's own runtime, as hosts run them: public names of wasmtime-py, which nothing else needs.

https://bytecodealliance.github.io/wasmtime-py/
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import wasmtime
from wasmtime import component as runtime

from ...tuples import NamedTuple
from ..values import EngineError
from .config import STRATEGY_WINCH
from .copies import Pool, use_pool

#: Proposals that are not on by themselves.
_PROPOSALS = ("wasm_exceptions", "wasm_memory64", "wasm_multi_memory", "wasm_function_references")

#: Classes of values, as wasmtime-py takes them; see `record` and `variant`.
RECORD, VARIANT = runtime.Record, runtime.Variant


class ComponentTrapped(Exception):
    """A function trapped, or a start function; the arguments say how, and which: nothing for the latter."""


class ComponentExited(Exception):
    """A function ended the program, with the exit code that is the argument."""


class Outside(NamedTuple):
    """Something that a component imports, and that the engine's WASI does not have: it is there, and fails if it is
    called. `interface`: the instance it is in; empty for none."""

    interface: str
    name: str
    is_resource: bool


class World(NamedTuple):
    """What instances see, but for clocks and random numbers, which are the host's. They print nowhere.

    `folders`: folder and guest path of each; `writable`: whether something may be changed in there. `stdin`: a file.
    """

    environment: Sequence[tuple[str, str]]
    arguments: Sequence[str]
    folders: Sequence[tuple[str, str]]
    stdin: str
    writable: bool = False


def record(names: Sequence[str], values: Sequence[Any]) -> Any:
    made = runtime.Record()
    for name, value in zip(names, values, strict=True):
        setattr(made, name, value)
    return made


def variant(label: str, payload: Any) -> Any:
    return runtime.Variant(label, payload)


class ComponentEngine:
    """An engine for components. `interruptible`: it can be stopped. `pool`: instances come from it."""

    def __init__(self, winch: bool, interruptible: bool, pool: Pool | None = None) -> None:
        self.interruptible = interruptible
        config = wasmtime.Config()
        if winch:
            wasmtime._ffi.wasmtime_config_strategy_set(config.ptr(), STRATEGY_WINCH)  # the property refuses the word
        else:
            for name in _PROPOSALS:
                setattr(config, name, True)
        config.epoch_interruption = interruptible
        if pool:
            use_pool(config, pool)
        self.engine = wasmtime.Engine(config)

    def increment_epoch(self) -> None:
        """Stops what runs."""
        self.engine.increment_epoch()


class CompiledComponent:
    """A compiled component, ready to be started any number of times. Raises `EngineError`."""

    def __init__(self, engine: ComponentEngine, wasm: bytes, outside: Sequence[Outside] = ()) -> None:
        self._engine = engine
        with _problems():
            self._component = runtime.Component(engine.engine, wasm)
            self._linker = runtime.Linker(engine.engine)
            self._linker.add_wasip2()
            # `define_unknown_imports_as_traps` would take the place of WASI, too: it looks for the very version.
            self._define(outside)

    def _define(self, outside: Sequence[Outside]) -> None:
        number = 0
        for interface in dict.fromkeys(entry.interface for entry in outside):
            with ExitStack() as stack:
                target = stack.enter_context(self._linker.root())
                if interface:
                    target = stack.enter_context(target.add_instance(interface))
                for entry in outside:
                    if entry.interface != interface:
                        continue
                    if entry.is_resource:
                        number += 1
                        target.add_resource(entry.name, runtime.ResourceType.host(number), _dropped)
                    else:
                        target.add_func(entry.name, _failing(f"{interface}#{entry.name}" if interface else entry.name))

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
        with _problems():
            instance = self._linker.instantiate(store, self._component)
        for path, values in calls:
            with _problems("#".join(path)):
                function = _function(store, instance, path)
                function(store, *values)
                function.post_return(store)
        return time.perf_counter() - began, store


def _dropped(_store: Any, _representation: int) -> None:
    """Nothing is left to be done for a resource that nobody could make."""


def _failing(title: str) -> Callable[..., Any]:
    def call(*_values: Any) -> Any:
        raise wasmtime.WasmtimeError(f"it called the import `{title}`, which there is none of here")

    return call


def _wasi(world: World) -> wasmtime.WasiConfig:
    found = wasmtime.WasiConfig()
    found.env = list(world.environment)
    found.argv = list(world.arguments)
    found.stdin_file = world.stdin
    for folder, guest_path in world.folders:
        found.preopen_dir(folder, guest_path, fs_mutable=world.writable)
    return found


def _function(store: wasmtime.Store, instance: Any, path: tuple[str, ...]) -> Any:
    index = None
    for name in path:
        index = instance.get_export_index(store, name, index)
        if index is None:
            raise EngineError(f"there is no export {name!r}")
    return instance.get_func(store, index)


@contextmanager
def _problems(called: str = "") -> Iterator[None]:
    """What wasmtime-py raises, as our errors. `called`: the function in which all that fails is a trap."""
    try:
        yield
    except wasmtime.ExitTrap as ended:
        raise ComponentExited(ended.code) from ended
    except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
        said = _last_line(problem)
        if called or isinstance(problem, wasmtime.Trap) or said.startswith(_TRAP):
            raise ComponentTrapped(said.removeprefix(_TRAP), called) from problem
        raise EngineError(said) from problem
    except (TypeError, ValueError, NotImplementedError, ctypes.ArgumentError, AssertionError) as problem:
        raise EngineError(f"such values can't be passed: {problem}") from problem


#: How the engine begins to say why something trapped.
_TRAP = "wasm trap: "


def _last_line(problem: Exception) -> str:
    return [line.strip() for line in str(problem).splitlines() if line.strip()][-1]
