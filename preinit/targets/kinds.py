"""What a key of the config file can hold: how it is read, and what the JSON schema says about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import quoted
from ..options.text import size as parse_size

#: Keys and places in lists that lead to a value.
Path = tuple[str | int, ...]


class Wrong(Exception):
    """A value that does not fit: where it is, what is wrong and what to do."""

    def __init__(self, path: Path, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.hint = hint


@dataclass(frozen=True)
class Kind:
    """`wanted`: what is expected, in words. `schema`: the same as JSON schema. `read` takes a value and its path.

    `merges`: a target's value adds to the one of the defaults, key by key, instead of replacing it.
    `keys`: those of a table that knows its keys.
    """

    wanted: str
    schema: dict[str, Any]
    read: Callable[[Any, Path], Any]
    merges: bool = False
    keys: Mapping[str, Key] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """`description` is for people who write the file in an editor that knows the schema."""

    kind: Kind
    description: str


def _unfit(path: Path, wanted: str, value: Any) -> Wrong:
    return Wrong(path, f"`{path[-1]}` must be {wanted}, not {_noun(value)}")


def _noun(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return str(value) if isinstance(value, float) or abs(value) < 10**30 else "a number that long"
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a date or time"


def _simple(wanted: str, schema: dict[str, Any], fits: Callable[[Any], bool]) -> Kind:
    def read(value: Any, path: Path) -> Any:
        if not fits(value):
            raise _unfit(path, wanted, value)
        return value

    return Kind(wanted, schema, read)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def matching(wanted: str, pattern: str) -> Kind:
    """A string that the regular expression matches as a whole; one of ECMAScript and of Python."""
    compiled = re.compile(pattern)
    schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return _simple(wanted, schema, lambda value: isinstance(value, str) and bool(compiled.fullmatch(value)))


TEXT = matching("a string that is not empty", r"[^\u0000]+")
#: The empty string, too.
ANY_TEXT = matching("a string", r"[^\u0000]*")
FLAG = _simple("true or false", {"type": "boolean"}, lambda value: isinstance(value, bool))
COUNT = _simple("a whole number that is not negative", {"type": "integer", "minimum": 0}, _is_count)
#: Some thirty years: TOML has whole numbers that no clock can count.
_LONGEST = 10**9
SECONDS = _simple(
    "a number of seconds, more than 0",
    {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST},
    lambda value: _is_number(value) and 0 < value <= _LONGEST,
)
#: The value of an imported global: numbers that TOML can't write, as strings.
NUMBER = _simple(
    "a number, or a string that is one",
    {"type": ["number", "string"]},
    lambda value: _is_number(value) or isinstance(value, str),
)


def _read_size(value: Any, path: Path) -> int:
    try:
        if isinstance(value, str):
            return parse_size(value)
    except ValueError:
        pass
    if not _is_count(value):
        raise _unfit(path, SIZE.wanted, value)
    return int(value)


SIZE = Kind(
    'a number of bytes, or a string with a unit such as "64MiB"',
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]{1,30}\s*[kmgKMG]?([iI]?[bB])?\s*$"},
        ]
    },
    _read_size,
)


def one_of(*choices: str | bool) -> Kind:
    shown = [f'"{choice}"' if isinstance(choice, str) else str(choice).lower() for choice in choices]
    wanted = f"{', '.join(shown[:-1])} or {shown[-1]}"
    return _simple(
        wanted, {"enum": list(choices)}, lambda value: any(type(value) is type(c) and value == c for c in choices)
    )


def list_of(kind: Kind, wanted: str) -> Kind:
    def read(value: Any, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _unfit(path, wanted, value)
        return tuple(_inside(kind, item, path, number) for number, item in enumerate(value))

    return Kind(wanted, {"type": "array", "items": kind.schema}, read)


def _inside(kind: Kind, item: Any, path: Path, number: int) -> Any:
    try:
        return kind.read(item, (*path, number))
    except Wrong as problem:
        if problem.hint:  # it knows better
            raise
        raise Wrong(
            (*path, number), f"item {number + 1} of `{path[-1]}` must be {kind.wanted}, not {_noun(item)}"
        ) from None


def table_of(kind: Kind, wanted: str) -> Kind:
    """A table whose keys are names that the user chooses."""

    def read(value: Any, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unfit(path, wanted, value)
        for name in value:
            if not name or "\0" in name:
                raise Wrong(path, f"a name in `{path[-1]}` is {'empty' if not name else quoted(name)}")
        return {name: kind.read(item, (*path, name)) for name, item in value.items()}

    schema = {"type": "object", "propertyNames": {"pattern": r"^[^\u0000]+$"}, "additionalProperties": kind.schema}
    return Kind(wanted, schema, read, merges=True)


def either(first: Kind, types: tuple[type, ...], second: Kind) -> Kind:
    """`first` for values of those Python types, else `second`."""
    wanted = f"{first.wanted}, or {second.wanted}"

    def read(value: Any, path: Path) -> Any:
        if isinstance(value, types):
            return first.read(value, path)
        try:
            return second.read(value, path)
        except Wrong as problem:
            raise (problem if problem.path != path else _unfit(path, wanted, value)) from None

    return Kind(wanted, {"anyOf": [first.schema, second.schema]}, read, second.merges, second.keys)


def table(keys: Mapping[str, Key], wanted: str) -> Kind:
    """A table that has no keys but those."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**key.kind.schema, "description": key.description} for name, key in keys.items()},
    }

    def read(value: Any, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unfit(path, wanted, value)
        unknown = next((name for name in value if name not in keys), None)
        if unknown is not None:
            place = f"`{path[-1]}`" if path else "the table"
            hint = _elsewhere(unknown, keys) or nearest(unknown, keys)
            raise Wrong((*path, unknown), f"there is no key {quoted(unknown)} in {place}", hint)
        return {name: keys[name].kind.read(item, (*path, name)) for name, item in value.items()}

    return Kind(wanted, schema, read, merges=True, keys=keys)


def _elsewhere(name: str, keys: Mapping[str, Key]) -> str | None:
    """Where a key belongs that one of the tables inside has."""
    name = name.replace("_", "-")
    places = [f"{outer}.{name}" for outer, key in keys.items() if name in key.kind.keys]
    return f"Write `{places[0]}`." if places else None


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """What was probably meant; without a guess, all that there is."""
    close = difflib.get_close_matches(name.lower().replace("_", "-"), known, 1, 0.6)
    return f"Write `{close[0]}`." if close else f"One of {', '.join(known) or 'none'}."
