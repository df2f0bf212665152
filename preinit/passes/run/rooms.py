"""Guests that make no room for what their instance brings, though they are told that what they have is larger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...binary.module import Module
from ...symbols.linker import initial_number, likely_stack_pointer, stack_pointers
from ..plan.job import Job

if TYPE_CHECKING:
    from ...host.world import World
    from .paused import Paused

#: Calls of one kind that tell a guest the truth, and are known by number.
_MOST_HONEST = 100


class NoRoom(Exception):
    """A guest was told of a larger environment, or larger arguments, and made no room for them: it may have done
    something else than it does when it is told the truth.

    `calls`: the numbers of the calls that told it so, of environment and arguments.
    """

    def __init__(self, calls: tuple[frozenset[int], frozenset[int]]) -> None:
        super().__init__(calls)
        self.calls = calls


def check_room(module: Module, world: World) -> None:
    """Raises `NoRoom` where a guest did not fetch, to where so much has room, what it was told of; or has it on its
    stack, which is used by others then, and may be too small."""
    top = stack_top(module) if any(world.rooms) else None
    environment, arguments = (
        fetches.declined | {call for call, strings in fetches.made.items() if top is not None and strings < top}
        for fetches in (world.environment, world.arguments)
    )
    if environment or arguments:
        raise NoRoom((environment, arguments))


def stack_top(module: Module) -> int | None:
    """Below that lies the stack, or what the stack could overflow into; None where nothing tells."""
    named = stack_pointers(module)
    pointer = next(iter(named)) if len(named) == 1 else likely_stack_pointer(module)
    return initial_number(module, pointer) if pointer is not None else None


def without_room(job: Job, calls: tuple[frozenset[int], frozenset[int]]) -> Job:
    """The same, whose guest is told the truth in these calls, too: in all of them, where there are many."""
    environment, arguments = (before | more for before, more in zip(job.honest, calls, strict=True))
    rooms = tuple(
        0 if len(known) > _MOST_HONEST else room
        for room, known in zip(job.rooms, (environment, arguments), strict=True)
    )
    return job._replace(rooms=(rooms[0], rooms[1]), honest=(environment, arguments))


def as_told(job: Job, first: Paused) -> Job:
    """A job whose guest is told the truth where it was in another run."""
    environment, arguments = (min(pair) for pair in zip(job.rooms, first.world.rooms, strict=True))
    return job._replace(rooms=(environment, arguments), honest=first.world.honest)
