"""What an output binds when it starts."""

from __future__ import annotations

from typing import NamedTuple

from ...binary.late import Places, Room
from ...result import LateFacts


class Bound(NamedTuple):
    """An array of addresses of strings that the guest keeps.

    Parameters
    ----------
    array: its address.
    strings: how many it has.
    words: addresses of the words of memory that hold `array`.
    room: behind its strings, what the guest has made for larger ones; None where there is none.
    """

    array: int
    strings: int
    words: tuple[int, ...]
    room: Room | None = None


class Late(NamedTuple):
    """What an output fetches when it starts.

    Parameters
    ----------
    memory: the index of the memory in which all of this is.
    environment: each array that is to be another one; none: the environment is left alone. At least one has room.
    arguments: arrays whose strings are to be other ones. Each has room.
    facts: the same for the report, and why nothing is bound, where that is so.
    """

    memory: int
    environment: tuple[Bound, ...]
    arguments: tuple[Bound, ...]
    facts: LateFacts

    @property
    def places(self) -> Places:
        """Where all of it is put: the environment in the latest room that there is for one."""
        rooms = [bound.room for bound in self.environment if bound.room]
        words = tuple(sorted({word for bound in self.environment for word in bound.words}))
        arguments = {bound.array: bound.room for bound in self.arguments if bound.room}
        return Places(rooms[-1] if rooms else None, words, arguments)

    @property
    def binds(self) -> bool:
        """Whether there is anything to do when an instance starts."""
        return bool(self.environment or self.arguments)
