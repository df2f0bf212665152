"""The custom section in which an output says what it fetches when it starts, and where it puts that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import encoder as write
from .module import Module

SECTION = "preinit.late"

#: A longer section is none of ours: bytes.
_LONGEST = 4 << 20


class Room(NamedTuple):
    """Bytes of memory that the guest has made room in for what an instance brings."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


class Places(NamedTuple):
    """Where an output puts what it fetches.

    Parameters
    ----------
    environment: room for the array of addresses, null behind it, and the strings; None: it fetches no environment.
    words: addresses of words that are set to that array's address.
    arguments: room for strings, by the address of the array that gets their addresses.
    """

    environment: Room | None = None
    words: tuple[int, ...] = ()
    arguments: Mapping[int, Room] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """Which of `env` and `args` it fetches."""
        bound = (("env", self.environment is not None), ("args", bool(self.arguments)))
        return frozenset(kind for kind, is_bound in bound if is_bound)


def section(facts: Mapping[str, Any], places: Places) -> write.Pieces:
    """The section for facts that are true of an output, and its places; what is empty is left out."""
    import json  # takes 2 ms, which most builds do not need

    environment = {"room": places.environment, "words": places.words} if places.environment else None
    arguments = [(array, room) for array, room in places.arguments.items()]
    where = {name: value for name, value in (("env", environment), ("args", arguments)) if value}
    said = {name: value for name, value in (*facts.items(), ("places", where)) if value}
    return write.custom_section(SECTION, json.dumps(said).encode())


def late_facts(module: Module) -> dict[str, Any]:
    """What the section says; nothing where there is none, or none that we know."""
    import json  # takes 2 ms, which most builds do not need

    found = module.custom(SECTION)
    if found is None or found.end - found.content > _LONGEST:
        return {}
    try:
        said = json.loads(module.data[found.content : found.end])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def late_places(module: Module) -> Places:
    """Where a module puts what it fetches, if it is an output and says so; whoever uses it looks whether it is true."""
    try:
        where = late_facts(module).get("places") or {}
        environment, arguments = where.get("env"), where.get("args", [])
        rooms = {_number(array): Room(*_numbers(place)) for array, place in arguments}
        if environment is None:
            return Places(arguments=rooms)
        return Places(Room(*_numbers(environment["room"])), tuple(_numbers(environment["words"])), rooms)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Places()


def _numbers(values: Iterable[Any]) -> Iterable[int]:
    return [_number(value) for value in values]


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError
    return value
