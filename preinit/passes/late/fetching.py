"""Which active functions are those that fetched the arguments."""

from __future__ import annotations

from collections.abc import Iterator

from ...binary.instructions import decoder
from ...binary.module import Module
from ...binary.opcodes import CALL, Kind
from ...binary.sections import ExternKind
from ...host.imports import wasi_parameters
from ..snapshot import FramesState

_CALLS = decoder(frozenset((Kind.FUNCTION,)))


def fetching(module: Module, frames: FramesState, name: str) -> frozenset[int]:
    """The active functions that call WASI's function `name`, or a function that does so, as libc's wrapper does."""
    functions = [entry for entry in module.imports if entry.kind == ExternKind.FUNC]
    wanted = {
        index
        for index, entry in enumerate(functions)
        if entry.name == name and wasi_parameters(module, entry) is not None
    }
    found = set()
    for function in {frame.body.function for frame in frames.frames}:
        called = set(_called(module, function))
        if called & wanted or any(set(_called(module, one)) & wanted for one in called):
            found.add(function)
    return frozenset(found)


def _called(module: Module, function: int) -> Iterator[int]:
    """The functions that a function calls by their index."""
    if function >= module.imported_functions:
        body = module.bodies[function - module.imported_functions]
        for one in _CALLS.search(module.data, body.start, body.end).found:
            if one.opcode == CALL:
                yield one.references[0].target
