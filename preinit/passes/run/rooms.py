"""Guests that make no room for what their instance brings, though they are told that what they have is larger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...binary.module import Module
from ...symbols.linker import initial_number, likely_stack_pointer, stack_pointers

if TYPE_CHECKING:
    from ...host import Fetches, World


def makes_no_room(module: Module, world: World) -> bool:
    """Whether a guest was told of a larger environment, or larger arguments, and never fetched them to where so much
    has room; or has them on its stack, which is used by others then, and may be too small."""
    return any(
        fetches.told and (not fetches.made or _on_stack(module, fetches))
        for fetches in (world.environment, world.arguments)
    )


def _on_stack(module: Module, fetches: Fetches) -> bool:
    """Whether some of it lies below where the stack begins: in the stack, or in what the stack could overflow into."""
    named = stack_pointers(module)
    pointer = next(iter(named)) if len(named) == 1 else likely_stack_pointer(module)
    top = initial_number(module, pointer) if pointer is not None else None
    return top is not None and any(fetch.strings < top for fetch in fetches.all if fetches.room_of(fetch))
