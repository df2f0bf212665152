"""Settings that the public class `Config` lacks, or refuses."""

from __future__ import annotations

from pathlib import Path

import wasmtime
from wasmtime import _ffi as ffi

STRATEGY_WINCH = 2


def library() -> str:
    """The file of the engine's library; `wasmtime.__version__` does not exist, and asking the package takes 40 ms."""
    return str(ffi.dll._name)


def build() -> str:
    """Says which build of the engine this is: size and time of its file."""
    status = Path(library()).stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def use_winch(config: wasmtime.Config) -> None:
    """For `Config.strategy = "winch"`: the property refuses the word, the C API takes it."""
    ffi.wasmtime_config_strategy_set(config.ptr(), STRATEGY_WINCH)


def allow_compact_imports(config: wasmtime.Config) -> None:
    """For `Config.wasm_compact_imports = True`, which the public class does not have."""
    ffi.wasmtime_config_wasm_compact_imports_set(config.ptr(), True)


def set_stack(config: wasmtime.Config, size: int) -> None:
    """For `Config.max_wasm_stack = size` (bytes), which panics while the async stack is smaller."""
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), size + (1 << 20))
    config.max_wasm_stack = size


def check_bounds(config: wasmtime.Config) -> None:
    """For `Config.memory_reservation = 0` and `Config.memory_guard_size = 0`: code checks each access by itself."""
    ffi.wasmtime_config_memory_reservation_set(config.ptr(), 0)
    ffi.wasmtime_config_memory_guard_size_set(config.ptr(), 0)


def leave_out_unwind_info(config: wasmtime.Config) -> None:
    """For `Config.native_unwind_info = False`, which the public class does not have."""
    ffi.wasmtime_config_native_unwind_info_set(config.ptr(), False)


def compile_in_one_thread(config: wasmtime.Config) -> None:
    """For `Config.parallel_compilation = False`, which the public class does not have."""
    ffi.wasmtime_config_parallel_compilation_set(config.ptr(), False)
