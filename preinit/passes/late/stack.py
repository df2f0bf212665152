"""What of memory no code reads any more."""

from __future__ import annotations

from ...binary.module import Module
from ...errors import StackLayout
from ...symbols.stack import find_stack
from ..snapshot import Snapshot


def dead_stack(module: Module, snapshot: Snapshot) -> range:
    """The addresses of what calls that have returned left on the stack, in memory 0; none where that isn't known."""
    try:
        stack = find_stack(module)
    except StackLayout:
        return range(0)
    pointer = int.from_bytes(snapshot.globals.numbers[stack.pointer], "little")
    return range(pointer if pointer <= stack.top else 0)
