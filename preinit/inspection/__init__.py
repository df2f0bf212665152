"""What is in a module or a component, and what a snapshot added to it. Nothing is run, and the engine isn't needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from ..binary.encoder import COMPONENT_PREAMBLE
from ..binary.module import parse
from ..errors import Misfit, PreinitError
from ..passes.parse.source import binary
from .component import ComponentInspection, inspect_component
from .model import Inspection
from .modules import inspect_module

__all__ = ["ComponentInspection", "Inspection", "inspect", "inspect_module"]

T = TypeVar("T")

Source = bytes | str | os.PathLike[str]


def inspect(wasm: Source, against: Source | None = None) -> Inspection | ComponentInspection:
    """What is in a module: sections, memory map, segments, tables, globals, code by groups of functions, producers.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them. It is not validated. Of a component,
        a `ComponentInspection` tells the imports and exports, and has an `Inspection` of each core module.
    against: the module that it was made from, given likewise: then the memory map says what the initializer changed,
        and `Inspection.against` what else differs.

        found = preinit.inspect("ready.wasm", against="engine.wasm")
        print(found.memories[0].bytes_changed, found.against.exports_gone)

    Raises an `InputError`, `Misfit` where one is a component and the other is none, or `UsageError` for what is
    neither bytes nor a path.
    """
    data = binary(wasm)
    original = None if against is None else _of_original(lambda: binary(against))
    if data.startswith(COMPONENT_PREAMBLE):
        return inspect_component(data, original)
    module = parse(data)
    if original is not None and original.startswith(COMPONENT_PREAMBLE):
        raise Misfit(
            "the original is a component, and the module is none", hint="Give the core module that it was made from."
        )
    return inspect_module(module, None if original is None else _of_original(lambda: parse(original)))


def _of_original(read: Callable[[], T]) -> T:
    try:
        return read()
    except PreinitError as problem:
        problem.where = f"the original, {problem.where}" if problem.where else "the original"
        raise
