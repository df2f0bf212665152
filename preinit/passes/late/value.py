"""What an output binds when it starts."""

from __future__ import annotations

from ...binary.late import Places, Room
from ...result import LateFacts
from ...tuples import NamedTuple


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
    environment: each array that is to be another one; none: the environment is left alone.
    arguments: arrays whose strings are to be other ones.
    facts: the same for the report, and why nothing is bound, where that is so.

    All of these have room.
    """

    memory: int
    environment: tuple[Bound, ...]
    arguments: tuple[Bound, ...]
    facts: LateFacts

    @property
    def places(self) -> Places:
        """Where all of it is put: each array has its own room, since one of them may be of no use any more."""
        environments = {bound.room: bound.words for bound in self.environment if bound.room}
        return Places(environments, {bound.array: bound.room for bound in self.arguments if bound.room})

    @property
    def binds(self) -> bool:
        """Whether there is anything to do when an instance starts."""
        return bool(self.environment or self.arguments)
