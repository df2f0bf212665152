"""Modules from the text format, and back."""

from __future__ import annotations

from functools import cache

from preinit import Options, Result, build
from preinit.passes.parse.text import parse_text


@cache
def wasm(text: str) -> bytes:
    """The binary of a module in the text format, with every proposal that wasm-tools knows."""
    return parse_text(text.encode())


def build_text(text: str, **options: object) -> Result:
    """Builds a module in the text format, with no cache."""
    return build(wasm(text), Options(cache=False, **options))  # type: ignore[arg-type]


def text_of(binary: bytes) -> str:
    """A module as text, to look at in assertions."""
    import subprocess

    from preinit.passes.parse.text import wasm_tools

    done = subprocess.run([wasm_tools(), "print", "-"], input=binary, capture_output=True, check=True)
    return done.stdout.decode()
