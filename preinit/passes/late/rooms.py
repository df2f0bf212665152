"""The room that a guest has made for what its instance brings, behind the strings that it fetched."""

from __future__ import annotations

from ...binary.late import Places, Room
from ...host import Fetch, Fetches
from ...options.build import SMALLEST_ROOM
from ..snapshot import MemoryState
from .find import WORD


def room_of(fetch: Fetch, fetches: Fetches, memory: MemoryState, made: Places) -> Room | None:
    """That room, on addresses of words; None where there is none, or something in it is no longer what it was: whoever
    frees it, or uses it for something else, writes there.

    `made`: what the guest fetches by itself, being an output.
    """
    if made.environment is not None and fetch.array == made.environment.start:
        return _within(made.environment, memory)
    if fetch.array in made.arguments:
        return _within(made.arguments[fetch.array], memory)
    content = fetches.room_of(fetch)
    end = fetch.strings + sum(map(len, fetch.texts))
    if not content or memory.content[end : end + len(content)] != content:
        return None
    start = -(-end // WORD) * WORD
    return Room(start, end + len(content) - start)


def _within(room: Room, memory: MemoryState) -> Room | None:
    fits = room.start % WORD == 0 and room.size > SMALLEST_ROOM - WORD and room.end <= len(memory.content)
    return room if fits else None
