"""References in words that are the same for another instance: null, a function's index, an i31's number."""

from __future__ import annotations

from collections.abc import Callable

from ..binary.module import Module
from ..engine.guest import Instance
from ..engine.values import RawValue

Reference = str


def worded(instance: Instance) -> Callable[[RawValue], Reference]:
    """What puts references of that instance into words."""
    functions: dict[bytes, Reference] = {}

    def words(value: RawValue) -> Reference:
        if value.kind != "func":
            return value.kind if value.kind in ("null", "object") else f"{value.kind} {value.bits.hex(' ')}"
        if value.bits not in functions:
            index = instance.resolve_function(value.bits)
            functions[value.bits] = "a function of another module" if index is None else f"function {index}"
        return functions[value.bits]

    return words


def named(module: Module, reference: Reference) -> str:
    """With the function's name."""
    kind, _, number = reference.partition(" ")
    name = module.function_name(int(number)) if kind == "function" and number.isdigit() else None
    return f"{reference} ({name})" if name else reference
