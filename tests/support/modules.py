"""Modules from the text format, and back."""

from __future__ import annotations

from functools import cache
from typing import Any

import wasmtime

from preinit import Options, Result, build
from preinit.passes.parse.text import parse_text


@cache
def wasm(text: str) -> bytes:
    """The binary of a module in the text format, with every proposal that wasm-tools knows.

    The engine reads text by the same library, and needs no process: wasm-tools reads what it knows, and the engine not.
    """
    try:
        return bytes(wasmtime.wat2wasm(text))
    except wasmtime.WasmtimeError:
        return parse_text(text.encode())


#: Small modules of tests often export nothing but what is run: their outputs are looked at from within.
UNUSABLE: dict[str, Any] = {"accept": ("nothing-exported",)}


def build_text(text: str, **options: object) -> Result:
    """Builds a module in the text format, with no cache, whether or not something could use the output."""
    return build(wasm(text), Options(cache=False, **{**UNUSABLE, **options}))


def text_of(binary: bytes) -> str:
    """A module as text, to look at in assertions."""
    import subprocess

    from preinit.passes.parse.text import wasm_tools

    done = subprocess.run([wasm_tools(), "print", "-"], input=binary, capture_output=True, check=True)
    return done.stdout.decode()
