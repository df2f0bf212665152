"""What an option can be: as a caller of the library gives it, as it stands in a file, as on the command line.

A value of a file is read in two steps, since many are checked and few are used: `read` checks it, `resolve` makes of it
what the library takes, with the files that it names. A text of the command line becomes what a file would hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import UsageError, printable, quoted
from . import text as written

#: Keys and places in lists that lead to a value.
Path = tuple[str | int, ...]
Schema = dict[str, Any]


class Wrong(Exception):
    """A value of a file that does not fit: where it is, what is wrong and what to do."""

    def __init__(self, path: Path, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.hint = hint


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
    **more: Any,
) -> Kind:
    """A value that is the same in the library and in files."""

    def check(name: str, value: Any) -> Any:
        if not fits(value):
            raise unfit(name, wanted, value) if not _is_alike(value, schema) else out_of_range(name, wanted, value)
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
    return UsageError(f"{name} can't be {value!r}: it must be {wanted}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _never(text: str, flag: str) -> Any:
    raise UsageError(f"`{flag}` takes no value")


FLAG = _plain("true or false", lambda value: isinstance(value, bool), {"type": "boolean"}, _never, is_flag=True)


def _parse_number(convert: Callable[[str], Any], wanted: str) -> Callable[[str, str], Any]:
    def parse(text: str, flag: str) -> Any:
        try:
            return convert(text.strip())
        except ValueError:
            raise UsageError(f"{quoted(text)} is not what `{flag}` takes: {wanted}") from None

    return parse


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,30}", text):
        raise ValueError
    return int(text)


COUNT = _plain(
    "a whole number that is not negative",
    lambda value: _is_whole(value) and value >= 0,
    {"type": "integer", "minimum": 0},
    _parse_number(_count, "a whole number that is not negative"),
)

#: Some thirty years: TOML has whole numbers that no clock can count.
_LONGEST = 10**9
SECONDS = _plain(
    "a number of seconds, more than 0",
    lambda value: _is_number(value) and 0 < value <= _LONGEST,
    {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST},
    _parse_number(float, "a number of seconds, more than 0"),
)


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

    return Kind(wanted, check, read, schema, _parse_number(written.size, "a size such as 64MiB"))


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


# -- text --------------------------------------------------------------------------------------------------------------


def name_text(option: str, value: Any) -> str:
    """A name that a module holds: UTF-8."""
    return _text(option, value, "strict")


def guest_text(option: str, value: Any) -> str:
    """What a guest gets as a string that ends with NUL; bytes of the host that are not UTF-8 are kept."""
    text = _text(option, value, "surrogateescape")
    if "\0" in text:
        raise UsageError(f"{option} contains a NUL character: '{printable(text)}'")
    return text


def path_text(option: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise unfit(option, "a path", value)
    return guest_text(option, os.fsdecode(os.fspath(value)))


def path_or_data(option: str, value: Any) -> str | bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else path_text(option, value)


def data(option: str, value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise unfit(option, "bytes", value, "Encode it: text.encode()." if isinstance(value, str) else None)
    return bytes(value)


def figure(option: str, value: Any) -> str:
    """A number, or one as text: it is not known yet of which type it has to be."""
    if _is_number(value):
        return str(value)
    if not isinstance(value, str):
        raise unfit(option, "a number or a string", value)
    return name_text(option, value)


def _text(option: str, value: Any, errors: str) -> str:
    if not isinstance(value, str):
        raise unfit(option, "a string", value)
    try:
        value.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise UsageError(f"{option} is not UTF-8: '{printable(value)}'") from None
    return value


def matching(wanted: str, pattern: str) -> Callable[[Any, Path], str]:
    """Reads a string that the regular expression matches as a whole; one of ECMAScript and of Python."""
    compiled = re.compile(pattern)

    def read(value: Any, path: Path) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise misplaced(path, wanted, value)
        return value

    return read


def matching_schema(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


NOT_EMPTY, ANY_TEXT = r"[^\u0000]+", r"[^\u0000]*"
read_text = matching("a string that is not empty", NOT_EMPTY)
read_any_text = matching("a string", ANY_TEXT)


def read_number(value: Any, path: Path) -> str:
    """The value of a global: numbers that TOML can't write, as strings."""
    if not _is_number(value) and not isinstance(value, str):
        raise misplaced(path, "a number, or a string that is one", value)
    return str(value)


# -- lists and tables --------------------------------------------------------------------------------------------------


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
    """In a file: what the first can be, or the second. True and false are only looked for in the first."""

    def read(value: Any, path: Path) -> Any:
        return (first if isinstance(value, bool) else second).read(value, path)

    return second._replace(
        wanted=f"{first.wanted}, or {second.wanted}",
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
    return path if path == "-" else os.path.join(folder, path)  # noqa: PTH118 - texts, not paths yet


def items(value: Any) -> tuple[tuple[str, Any], ...]:
    """The pairs of a table, or of what was gathered on the command line, where one name may stand twice."""
    return tuple(value.items() if isinstance(value, Mapping) else value)


def in_unicode(name: str) -> str:
    """A name that the guest or the output will hold. Raises `UsageError` where the shell gave other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name {quoted(name)} is not UTF-8, as names in a module have to be", hint="Write it in UTF-8."
        ) from None
    return name
