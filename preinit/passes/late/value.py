"""What an output binds when it starts."""

from __future__ import annotations

from typing import NamedTuple

from ...binary.module import Module
from ...result import LateFacts
from ..snapshot import Snapshot

#: Bytes behind the snapshot's memory for the instance's environment, and for its arguments. Where that is too small,
#: the memory grows when an instance starts.
ENVIRONMENT_ROOM, ARGUMENTS_ROOM = 48 << 10, 16 << 10


class Room(NamedTuple):
    """Bytes of memory that nobody else uses."""

    start: int
    size: int


class Bound(NamedTuple):
    """An array of addresses of strings that the guest keeps.

    Parameters
    ----------
    array: its address.
    strings: how many it has.
    words: addresses of the words of memory that hold `array`.
    """

    array: int
    strings: int
    words: tuple[int, ...]


class Late(NamedTuple):
    """What an output fetches when it starts.

    Parameters
    ----------
    memory: the index of the memory in which all of this is.
    environment: each array that is to be another one; none: the environment is left alone.
    arguments: arrays whose strings are to be other ones.
    environment_room, arguments_room: where they are put.
    facts: the same for the report, and why nothing is bound, where that is so.
    """

    memory: int
    environment: tuple[Bound, ...]
    arguments: tuple[Bound, ...]
    environment_room: Room
    arguments_room: Room
    facts: LateFacts

    @property
    def words(self) -> tuple[int, ...]:
        """The words that are set to the address of the instance's environment."""
        return tuple(sorted({word for bound in self.environment for word in bound.words}))

    @property
    def binds(self) -> bool:
        """Whether there is anything to do when an instance starts."""
        return bool(self.environment or self.arguments)

    @property
    def end(self) -> int:
        """Where the rooms end."""
        return self.arguments_room.start + self.arguments_room.size


def reserved(module: Module, snapshot: Snapshot, late: Late) -> Snapshot:
    """The snapshot, with room for what is fetched behind what the memory holds."""
    if not late.binds:
        return snapshot
    memories = list(snapshot.memories)
    state = memories[late.memory]
    memories[late.memory] = state._replace(pages=-(-late.end // module.memories[late.memory].page_size))
    return snapshot._replace(memories=tuple(memories))
