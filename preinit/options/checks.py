"""Values that a caller of the library gave, in the types that they must have.

Each check takes the option's name and the value, and returns the value in the form that the rest works with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError, printable

Check = Callable[[str, Any], Any]


def normalize(holder: Any, checks: Mapping[str, Check]) -> None:
    """Puts every checked field of a frozen dataclass into its form. Raises `UsageError`."""
    for name, check in checks.items():
        object.__setattr__(holder, name, check(name, getattr(holder, name)))


def instance(kind: type, wanted: str) -> Check:
    """Exactly that type or a subclass; a bool is no number."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _unfit(name, wanted, value)
        return value

    return check


flag = instance(bool, "True or False")
whole = instance(int, "a whole number")
data = instance(bytes | bytearray | memoryview, "bytes")  # type: ignore[arg-type]
number = instance(int | float, "a number")  # type: ignore[arg-type]


def name(option: str, value: Any) -> str:
    """A name that a module holds: UTF-8."""
    return _text(option, value, "strict")


def string(option: str, value: Any) -> str:
    """What a guest gets as a string that ends with NUL; bytes of the host that are not UTF-8 are kept."""
    text = _text(option, value, "surrogateescape")
    if "\0" in text:
        raise UsageError(f"{option} contains a NUL character: '{printable(text)}'")
    return text


def figure(option: str, value: Any) -> str:
    """A number, or one as text: it is not known yet of which type it has to be."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _unfit(option, "a number or a string", value)
    return name(option, value)


def path(option: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise _unfit(option, "a path", value)
    return string(option, os.fsdecode(os.fspath(value)))


def path_or_data(option: str, value: Any) -> str | bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else path(option, value)


def optional(check: Check) -> Check:
    return lambda option, value: None if value is None else check(option, value)


def one_of(*choices: Any) -> Check:
    """One of a few values of the same types: 1 is not True."""

    def check(option: str, value: Any) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise UsageError(f"{option} can't be {value!r}", hint=f"One of {', '.join(map(str, choices))}.")
        return value

    return check


def word_or(check: Check, *words: str) -> Check:
    """One of a few words, or what `check` takes."""
    return lambda option, value: value if isinstance(value, str) and value in words else check(option, value)


def several(check: Check) -> Check:
    """A list or tuple; one string alone would be taken for a list of its letters."""

    def checked(option: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            hint = f"Write a list: {option}=[{value!r}]." if isinstance(value, str | bytes) else None
            raise _unfit(option, "a list", value, hint)
        return tuple(check(f"{option}[{place}]", item) for place, item in enumerate(value))

    return checked


def pairs(left: Check, right: Check) -> Check:
    """A dict, or a list of pairs."""

    def pair(option: str, value: Any) -> tuple[Any, Any]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise _unfit(option, "a pair", value)
        return left(option, value[0]), right(option, value[1])

    whole_list = several(pair)

    def checked(option: str, value: Any) -> Any:
        if isinstance(value, str | bytes):
            raise _unfit(option, "a dict or a list of pairs", value)
        return whole_list(option, list(value.items()) if isinstance(value, Mapping) else value)

    return checked


def _text(option: str, value: Any, errors: str) -> str:
    if not isinstance(value, str):
        raise _unfit(option, "a string", value)
    try:
        value.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise UsageError(f"{option} is not UTF-8: '{printable(value)}'") from None
    return value


def _unfit(option: str, wanted: str, value: Any, hint: str | None = None) -> UsageError:
    return UsageError(f"{option} must be {wanted}, not {type(value).__name__}", hint=hint)
