"""A build's JSON report, read again. It is a file that anybody may have written: whatever is wrong with it is said."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from ..errors import InputError, printable

T = TypeVar("T")

_HINT = "Give the file that `preinit build --report FILE` wrote."

#: Bytes of a report: with every call and every place of an audit there are some hundred thousand.
MOST_REPORT = 256 << 20


def loads(kind: type[T], version: int, data: str | bytes) -> T:
    """The report that `to_json` of that class gave. Fields of later versions are left out. Raises `InputError`."""
    if len(data) > MOST_REPORT:
        raise InputError(f"the report has more than {MOST_REPORT >> 20} MiB", hint=_HINT)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"the report is not JSON: {printable(str(problem))}", hint=_HINT) from None
    return of_values(kind, version, value)


def of_values(kind: type[T], version: int, value: Any) -> T:
    """The report that `to_dict` gave, also as JSON gives it back. Raises `InputError`."""
    if not isinstance(value, dict) or value.get("version") != version:
        raise InputError(f"the file is not the report of a build, version {version}", hint=_HINT)
    if "error" in value:
        raise InputError(
            "the report is that of a build that failed", hint="Give the report of the build that wrote the output."
        )
    report: T = _typed(kind, value, "report")
    return report


def _wrong(where: str, expected: object) -> InputError:
    name = getattr(expected, "__name__", str(expected))
    return InputError(f"this is not the report of a build: `{where}` is no {name}", hint=_HINT)


def _typed(expected: Any, value: Any, where: str) -> Any:
    """`value` as the type that a field has. Raises `InputError` that names the field."""
    if expected is Any:
        return value
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        for argument in arguments:
            try:
                return _typed(argument, value, where)
            except InputError as problem:
                last = problem
        raise last
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(arguments[0], item, where) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(expected) and isinstance(value, dict):
        return _object(expected, value, where)
    if isinstance(expected, type) and issubclass(expected, tuple) and isinstance(value, dict):  # a named tuple
        hints = typing.get_type_hints(expected)
        return expected(**{name: _typed(hint, value.get(name), f"{where}.{name}") for name, hint in hints.items()})
    if expected is float and (_is_number(value) or value in ("inf", "-inf", "nan")):  # JSON lacks these
        return float(value)
    if expected is int and _is_number(value) and isinstance(value, int):
        return value
    if expected in (str, bool) and isinstance(value, expected):
        return value
    raise _wrong(where, expected)


#: What a number in a report can be: a count of bytes, or an integer that a function returned.
_LARGEST_NUMBER = 1 << 64


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def _object(expected: Any, value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(expected)
    given = {}
    for field in fields(expected):
        if field.name in value:
            given[field.name] = _typed(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"this is not the report of a build: `{where}` has no `{field.name}`", hint=_HINT)
    return expected(**given)
