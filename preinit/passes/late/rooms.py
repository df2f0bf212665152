"""The room that a guest has made for what its instance brings, behind the strings that it fetched."""

from __future__ import annotations

from ...binary.late import Places, Room
from ...host.wasi1.process import Fetch, Fetches
from ...options.build import SMALLEST_ROOM
from ..snapshot import MemoryState
from .find import WORD


def room_of(fetch: Fetch, fetches: Fetches, memory: MemoryState, made: Places) -> Room | None:
    """That room, on addresses of words; None where there is none, or something in it is no longer what it was: whoever
    frees it, or uses it for something else, writes there.

    `made`: what the guest fetches by itself, being an output.
    """
    own = [room for room in made.environments if room.start == fetch.array]
    own += [room for array, room in made.arguments.items() if array == fetch.array]
    if own:
        return own[0] if _is_sound(own[0], memory) else None
    size = fetches.room_of(fetch, memory.content)
    if not size:
        return None
    end = fetch.strings + sum(map(len, fetch.texts))
    start = -(-end // WORD) * WORD
    return Room(start, end + size - start)


def _is_sound(room: Room, memory: MemoryState) -> bool:
    return room.start % WORD == 0 and room.size >= SMALLEST_ROOM and room.end <= len(memory.content)
