"""Lists, pairs and tables that options are given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import UsageError, quoted
from .kinds import Files, Kind, Path, Schema, Wrong, misplaced, unfit
from .texts import (
    ANY_TEXT,
    NOT_EMPTY,
    guest_text,
    in_unicode,
    matching_schema,
    name_text,
    read_any_text,
    read_text,
)


def check_list(option: str, value: Any, check: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    """A list or tuple; one string alone would be taken for a list of its letters."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        hint = f"Write a list: {option}=[{value!r}]." if isinstance(value, str | bytes) else None
        raise unfit(option, "a list", value, hint)
    return tuple(check(f"{option}[{place}]", item) for place, item in enumerate(value))


def check_pairs(
    option: str, value: Any, left: Callable[[str, Any], Any], right: Callable[[str, Any], Any]
) -> tuple[tuple[Any, Any], ...]:
    """A mapping, or a list of pairs."""

    def pair(name: str, item: Any) -> tuple[Any, Any]:
        if not isinstance(item, list | tuple) or len(item) != 2:
            raise unfit(name, "a pair", item)
        return left(option, item[0]), right(option, item[1])

    if isinstance(value, str | bytes):
        raise unfit(option, "a dict or a list of pairs", value)
    return check_list(option, list(value.items()) if isinstance(value, Mapping) else value, pair)


def read_list(value: Any, path: Path, read: Callable[[Any, Path], Any], wanted: str) -> list[Any]:
    if not isinstance(value, list):
        raise misplaced(path, wanted, value)
    return [read(item, (*path, place)) for place, item in enumerate(value)]


def read_table(value: Any, path: Path, read: Callable[[Any, Path], Any], wanted: str) -> dict[str, Any]:
    """A table whose keys are names that the user chooses."""
    if not isinstance(value, dict):
        raise misplaced(path, wanted, value)
    for name in value:
        if not name or "\0" in name:
            raise Wrong(path, f"a name in `{path[-1]}` is {'empty' if not name else quoted(name)}")
    return {name: read(item, (*path, name)) for name, item in value.items()}


def either(first: Kind, second: Kind) -> Kind:
    """In a file: true or false, as the first says, or a list or table, as the second does."""
    wanted = f"{first.wanted}, or {second.wanted}"

    def read(value: Any, path: Path) -> Any:
        if not isinstance(value, bool | list | dict):
            raise misplaced(path, wanted, value)
        return (first if isinstance(value, bool) else second).read(value, path)

    return second._replace(
        wanted=wanted,
        read=read,
        schema=lambda: {"anyOf": [first.schema(), second.schema()]},
    )


def table_schema(values: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": r"^[^\u0000]+$"}, "additionalProperties": values}


def name_kind() -> Kind:
    """A name that a module holds."""
    wanted = "a string that is not empty"
    return Kind(wanted, name_text, read_text, lambda: matching_schema(NOT_EMPTY), lambda text, flag: text)


def texts(check: Callable[[str, Any], Any] = guest_text, pattern: str = ANY_TEXT) -> Kind:
    """A list of strings that match; on the command line, one each time."""
    wanted = "a list of strings"
    read_one = read_any_text if pattern == ANY_TEXT else read_text
    return Kind(
        wanted,
        lambda name, value: check_list(name, value, check),
        lambda value, path: read_list(value, path, read_one, wanted),
        lambda: {"type": "array", "items": matching_schema(pattern)},
        lambda text, flag: text,
        repeats=True,
        resolve=lambda value, files: tuple(value),
    )


#: What the command line has for an empty list of words.
_NONE = "none"


def words(*choices: str) -> Kind:
    """Some of a few words: a list of them; on the command line with commas between them, or one each time."""
    shown = ", ".join(choices)
    wanted = f"a list of words out of {shown}"

    def check_one(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise unfit(name, "a string", value)
        if value not in choices:
            raise UsageError(f"{name} can't be {quoted(value)}", hint=f"One of {shown}.")
        return value

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = check_list(name, value, check_one)
        return tuple(choice for choice in choices if choice in given)

    def read_one(value: Any, path: Path) -> str:
        if not isinstance(value, str) or value not in choices:
            raise misplaced(path, f"one of {shown}", value)
        return value

    def parse(text: str, flag: str) -> list[str]:
        found = [part.strip() for part in text.split(",")]
        if found == [_NONE]:
            return []
        unknown = next((part for part in found if part not in choices), None)
        if unknown is not None:
            raise UsageError(
                f"{quoted(unknown)} is not what `{flag}` takes",
                hint=f"One of {shown}, or several: {','.join(choices)}; or {_NONE}.",
            )
        return found

    return Kind(
        wanted,
        check,
        lambda value, path: read_list(value, path, read_one, wanted),
        lambda: {"type": "array", "items": {"enum": list(choices)}},
        parse,
        repeats=True,
        gather=lambda parts: [word for part in parts for word in part],
        resolve=lambda value, files: tuple(value),
    )


def pairs(
    left: Callable[[str, Any], Any],
    right: Callable[[str, Any], Any],
    form: str,
    example: str,
    *,
    last: bool = False,
    read: Callable[[Any, Path], Any] = read_text,
    values: Schema | None = None,
    wanted: str = "a table of strings",
    resolve: Callable[[Any, Files], Any] = lambda value, files: items(value),
) -> Kind:
    """Pairs: a mapping in the library, a table in a file, `LEFT=RIGHT` on the command line.

    `form`, `example`: of the command line, for messages. `last`: it is cut at the last `=`, since names may have one.
    `read`, `values`: a value of the table, and its JSON schema.
    """

    def parse(text: str, flag: str) -> tuple[str, str]:
        one, found, other = text.rpartition("=") if last else text.partition("=")
        if not (one and found and other):
            raise UsageError(f"{quoted(text)} is not of the form {flag} {form}", hint=f"For example: {flag} {example}")
        return in_unicode(one), other

    return Kind(
        wanted,
        lambda name, value: check_pairs(name, value, left, right),
        lambda value, path: read_table(value, path, read, wanted),
        lambda: table_schema(values or matching_schema(NOT_EMPTY)),
        parse,
        repeats=True,
        gather=tuple,
        resolve=resolve,
        merges=True,
    )


def anchored_path(path: str, folder: str) -> str:
    """The path, relative to a folder; `-`, standard input, stays."""
    return path if path == "-" else os.path.join(folder, path)  # texts, not paths yet


def items(value: Any) -> tuple[tuple[str, Any], ...]:
    """The pairs of a table, or of what was gathered on the command line, where one name may stand twice."""
    return tuple(value.items() if isinstance(value, Mapping) else value)
