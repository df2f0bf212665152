"""Globals whose values are bits."""

from __future__ import annotations

from ..binary.module import Module
from ..binary.types import NUMERIC_SIZES, is_numeric
from ..engine.guest import Instance, Instrumented


def capture_globals(module: Module, instrumented: Instrumented, instance: Instance) -> dict[int, bytes]:
    """The raw little-endian bytes of each mutable global of a number or vector type, by index."""
    return {
        index: instance.global_value(instrumented.globals[index], NUMERIC_SIZES[entry.type]).bits
        for index, entry in enumerate(module.globals)
        if entry.mutable and is_numeric(entry.type)
    }
