"""What an option can be: as a caller of the library gives it, as it stands in a file, as on the command line.

A value of a file is read in two steps, since many are checked and few are used: `read` checks it, `resolve` makes of it
what the library takes, with the files that it names. A text of the command line becomes what a file would hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError, UsageError, quoted
from ..tuples import NamedTuple
from . import text as written

#: Keys and places in lists that lead to a value.
Path = tuple[str | int, ...]
Schema = dict[str, Any]


class Wrong(Exception):
    """A value of a file that does not fit: where it is, what is wrong and what to do; `within`: where in the value."""

    def __init__(self, path: Path, what: str, hint: str | None = None, within: str | None = None) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.hint = hint
        self.within = within

    def told(self, error: ConfigError) -> ConfigError:
        """The error that says this and where that is in the file, with the place in the value."""
        error.where = ", ".join(filter(None, (error.where, self.within)))
        return error


class Files(NamedTuple):
    """How a value that names files is resolved: the bytes of a file, a module's path or bytes, a folder's path; our
    environment."""

    read: Callable[[str], bytes]
    module: Callable[[str], str | bytes]
    folder: Callable[[str], str]
    environment: Mapping[str, str]


class Kind(NamedTuple):
    """Something that an option can be.

    Parameters
    ----------
    wanted: in words, after "must be".
    check: takes the name and the value that a caller of the library gave; the form that the rest works with.
    read: takes a value of a file and its path; raises `Wrong`.
    schema: the same as JSON schema.
    parse: takes one text of the command line, and the flag; what a file would hold. Raises `UsageError`.
    repeats: whether it may be given several times there; then `gather` puts the parts together.
    resolve: what the library takes, from what a file holds.
    is_flag: whether it takes no value on the command line. choices: words that are all it can be.
    merges: a table whose entries add to those of a more general one, instead of replacing it.
    anchor: takes what a file holds and a folder; the same with the paths in there relative to that folder.
    """

    wanted: str
    check: Callable[[str, Any], Any]
    read: Callable[[Any, Path], Any]
    schema: Callable[[], Schema]
    parse: Callable[[str, str], Any]
    repeats: bool = False
    gather: Callable[[Sequence[Any]], Any] = list
    resolve: Callable[[Any, Files], Any] = lambda value, files: value
    is_flag: bool = False
    choices: tuple[str, ...] = ()
    merges: bool = False
    anchor: Callable[[Any, str], Any] = lambda value, folder: value


# -- what is wrong -----------------------------------------------------------------------------------------------------


def unfit(name: str, wanted: str, value: Any, hint: str | None = None) -> UsageError:
    """For a caller of the library."""
    return UsageError(f"{name} must be {wanted}, not {type(value).__name__}", hint=hint)


def misplaced(path: Path, wanted: str, value: Any) -> Wrong:
    """For a value of a file."""
    if path and isinstance(path[-1], int):
        return Wrong(path, f"item {path[-1] + 1} of `{path[-2]}` must be {wanted}, not {noun(value)}")
    return Wrong(path, f"`{path[-1]}` must be {wanted}, not {noun(value)}")


def noun(value: Any) -> str:
    """A value of a file in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return str(value) if isinstance(value, float) or abs(value) < 10**30 else "a number that long"
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a date or time"


# -- single values -----------------------------------------------------------------------------------------------------


def _plain(
    wanted: str,
    fits: Callable[[Any], bool],
    schema: Schema,
    parse: Callable[[str, str], Any],
    in_python: str = "",
    **more: Any,
) -> Kind:
    """A value that is the same in the library and in files. `in_python`: what is wanted there, if said otherwise."""

    def check(name: str, value: Any) -> Any:
        if not fits(value):
            said = in_python or wanted
            raise unfit(name, said, value) if not _is_alike(value, schema) else out_of_range(name, said, value)
        return value

    def read(value: Any, path: Path) -> Any:
        if not fits(value):
            raise misplaced(path, wanted, value)
        return value

    return Kind(wanted, check, read, lambda: schema, parse, **more)


def _is_alike(value: Any, schema: Schema) -> bool:
    """Whether a value has the right type and is wrong all the same."""
    types: dict[str, tuple[type, ...]] = {
        "integer": (int,), "number": (int, float), "string": (str,), "boolean": (bool,)
    }  # fmt: skip
    wanted = types.get(schema.get("type", ""), ())
    return isinstance(value, wanted) and (schema.get("type") == "boolean" or not isinstance(value, bool))


def out_of_range(name: str, wanted: str, value: Any) -> UsageError:
    shown = noun(value) if isinstance(value, int) and not isinstance(value, bool) else repr(value)
    return UsageError(f"{name} can't be {shown}: it must be {wanted}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _never(text: str, flag: str) -> Any:
    raise UsageError(f"`{flag}` takes no value")


FLAG = _plain(
    "true or false", lambda value: isinstance(value, bool), {"type": "boolean"}, _never, "True or False", is_flag=True
)


def _parse_number(convert: Callable[[str], Any], wanted: str, example: str) -> Callable[[str, str], Any]:
    def parse(text: str, flag: str) -> Any:
        try:
            return convert(text.strip())
        except ValueError:
            raise UsageError(
                f"{quoted(text)} is not what `{flag}` takes: {wanted}", hint=f"For example: {flag} {example}"
            ) from None

    return parse


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,30}", text):
        raise ValueError
    return int(text)


COUNT = _plain(
    "a whole number that is not negative",
    lambda value: _is_whole(value) and value >= 0,
    {"type": "integer", "minimum": 0},
    _parse_number(_count, "a whole number that is not negative", "3"),
)

#: Some thirty years: there are numbers that no clock can count.
_LONGEST = 10**9


def _seconds() -> Kind:
    wanted = f"a number of seconds, more than 0, at most {_LONGEST:,}"

    def convert(text: str) -> float:
        seconds = float(text)
        if "_" in text or not 0 < seconds <= _LONGEST:  # Python's numbers may have underscores
            raise ValueError
        return seconds

    return _plain(
        wanted,
        lambda value: is_number(value) and 0 < value <= _LONGEST,
        {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST},
        _parse_number(convert, wanted, "60"),
    )


SECONDS = _seconds()


def _size_kind() -> Kind:
    wanted = 'a number of bytes, or a string with a unit such as "64MiB"'

    def convert(value: Any) -> int | None:
        if isinstance(value, str):
            try:
                return written.size(value)
            except ValueError:
                return None
        return value if _is_whole(value) and value >= 0 else None

    def check(name: str, value: Any) -> int:
        size = convert(value)
        if size is None:
            raise unfit(name, wanted, value) if not isinstance(value, int | str) else out_of_range(name, wanted, value)
        return size

    def read(value: Any, path: Path) -> int:
        size = convert(value)
        if size is None:
            raise misplaced(path, wanted, value)
        return size

    def schema() -> Schema:
        text = {"type": "string", "pattern": r"^\s*[0-9]{1,30}\s*[kmgKMG]?([iI]?[bB])?\s*$"}
        return {"anyOf": [{"type": "integer", "minimum": 0}, text]}

    return Kind(wanted, check, read, schema, _parse_number(written.size, "a size", "64MiB"))


SIZE = _size_kind()


def optional(kind: Kind) -> Kind:
    """None too, for a caller of the library."""
    return kind._replace(check=lambda name, value: None if value is None else kind.check(name, value))


def one_of(*choices: str | bool) -> Kind:
    """One of a few values of the same types: 1 is not True."""
    shown = [f'"{choice}"' if isinstance(choice, str) else str(choice).lower() for choice in choices]
    wanted = f"{', '.join(shown[:-1])} or {shown[-1]}"

    def fits(value: Any) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in choices)

    def check(name: str, value: Any) -> Any:
        if not fits(value):
            raise UsageError(f"{name} can't be {value!r}", hint=f"One of {', '.join(map(str, choices))}.")
        return value

    def read(value: Any, path: Path) -> Any:
        if not fits(value):
            raise misplaced(path, wanted, value)
        return value

    def parse(text: str, flag: str) -> Any:
        for choice in choices:
            if text == (choice if isinstance(choice, str) else str(choice).lower()):
                return choice
        known = ", ".join(choice if isinstance(choice, str) else str(choice).lower() for choice in choices)
        raise UsageError(f"{quoted(text)} is not what `{flag}` takes", hint=f"One of {known}.")

    words = tuple(choice for choice in choices if isinstance(choice, str))
    return Kind(
        wanted, check, read, lambda: {"enum": list(choices)}, parse, choices=words if len(words) == len(choices) else ()
    )
