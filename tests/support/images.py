"""Whether an engine as its package sets it up maps the data of a module as an image of memory."""

from __future__ import annotations

import wasmtime


def is_mapped(wasm: bytes, span: int) -> bool:
    """`span`: bytes that the data spans, many more than all data and code has. Such an image is part of what the
    engine compiles."""
    config = wasmtime.Config()
    config.wasm_custom_page_sizes = True
    config.shared_memory = True
    return len(wasmtime.Module(wasmtime.Engine(config), wasm).serialize()) >= span
