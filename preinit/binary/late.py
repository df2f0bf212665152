"""The custom section in which an output says what it fetches when it starts, and where it puts that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..tuples import NamedTuple
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
    environments: rooms, each for the array of addresses, null behind it, and the strings; and the addresses of the
        words that are set to the array's address.
    arguments: room for strings, by the address of the array that gets their addresses.
    """

    environments: Mapping[Room, tuple[int, ...]] = {}
    arguments: Mapping[int, Room] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """Which of `env` and `args` it fetches."""
        return frozenset(kind for kind, places in (("env", self.environments), ("args", self.arguments)) if places)


def section(facts: Mapping[str, Any], places: Places) -> write.Pieces:
    """The section for facts that are true of an output, and its places; what is empty is left out."""
    import json  # takes 2 ms, which most builds do not need

    where = {"env": list(places.environments.items()), "args": list(places.arguments.items())}
    where = {name: value for name, value in where.items() if value}
    said = {name: value for name, value in (*facts.items(), ("places", where)) if value}
    return write.custom_section(SECTION, json.dumps(said).encode())


def late_facts(module: Module) -> dict[str, Any]:
    """What the section says; nothing where there is none, or none that we know."""
    found = module.custom(SECTION)
    if found is None or found.end - found.content > _LONGEST:
        return {}
    import json

    try:
        said = json.loads(module.data[found.content : found.end])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def late_places(module: Module) -> Places:
    """Where a module puts what it fetches, if it is an output and says so; whoever uses it looks whether it is true."""
    try:
        where = late_facts(module).get("places") or {}
        environments = {Room(*_numbers(room)): tuple(_numbers(words)) for room, words in where.get("env", [])}
        return Places(environments, {_number(array): Room(*_numbers(room)) for array, room in where.get("args", [])})
    except (AttributeError, TypeError, ValueError):
        return Places()


def _numbers(values: Iterable[Any]) -> Iterable[int]:
    return [_number(value) for value in values]


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError
    return value
