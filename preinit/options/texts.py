"""Texts that options are given: what guests, modules and files take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from ..errors import UsageError, printable, quoted
from .kinds import Path, Schema, is_number, misplaced, unfit


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
    if is_number(value):
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

    def read(value: Any, path: Path) -> str:
        # Compiled when it is asked for, as all patterns here that most builds don't need.
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
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
    if not is_number(value) and not isinstance(value, str):
        raise misplaced(path, "a number, or a string that is one", value)
    return str(value)


def in_unicode(name: str) -> str:
    """A name that the guest or the output will hold. Raises `UsageError` where the shell gave other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name {quoted(name)} is not UTF-8, as names in a module have to be", hint="Write it in UTF-8."
        ) from None
    return name
