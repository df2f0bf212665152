"""An engine as the hosts of outputs use it: for what is run often, not once."""

from __future__ import annotations

import wasmtime

from . import ffi
from .runtime import GUEST_STACK, has_winch


def deployed_engine(compiler: str, interruptible: bool = False) -> wasmtime.Engine:
    """An engine with its own default settings (code is optimized, copies share pages that they don't write), and with
    every proposal that it has.

    `compiler`: "winch" or "cranelift", also for "auto", as hosts do. `interruptible` code can be stopped.
    """
    config = wasmtime.Config()
    config.shared_memory = True
    config.wasm_custom_page_sizes = True
    config.wasm_multi_memory = True
    config.wasm_memory64 = True
    config.wasm_wide_arithmetic = True
    ffi.allow_compact_imports(config)
    if compiler == "winch" and has_winch():
        ffi.use_winch(config)  # with winch, naming the proposals below aborts the process
    else:
        config.wasm_tail_call = True
        config.wasm_relaxed_simd = True
        config.wasm_exceptions = True
        config.wasm_function_references = True
        config.wasm_gc = True
    config.epoch_interruption = interruptible
    ffi.set_stack(config, GUEST_STACK)
    return wasmtime.Engine(config)
