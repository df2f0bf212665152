"""Globals whose values are bits."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.types import NUMERIC_SIZES, is_numeric
from ...engine.guest import Instance, Instrumented


def capture_globals(module: Module, instrumented: Instrumented, instance: Instance) -> dict[int, bytes]:
    """The raw little-endian bytes of each global of a number or vector type whose value the module does not say."""
    return {
        index: instance.global_value(name, NUMERIC_SIZES[module.globals[index].type]).bits
        for index, name in instrumented.globals.items()
        if is_numeric(module.globals[index].type)
    }
