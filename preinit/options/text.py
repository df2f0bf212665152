"""Policies as users write them, on the command line and in a config file: a size, a clock, random numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UsageError, quoted
from . import LATEST_SECOND

#: https://reproducible-builds.org/specs/source-date-epoch/
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"

_SIZE = re.compile(r"([0-9]{1,30})\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30}


def size(text: str) -> int:
    """A number of bytes, with an optional unit: 64MiB, 2G. Raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size such as 64MiB")
    return int(match[1]) << _UNITS[match[2].lower()]


def clock(text: str | None, option: str, environment: Mapping[str, str]) -> int | str:
    """`epoch:SECONDS` or `host`; where nothing is given, $SOURCE_DATE_EPOCH, which other tools take too.

    `option`: what messages call the place that `text` is from. Raises `UsageError`.
    """
    if text == "host":
        return text
    if text is None:
        seconds = environment.get(SOURCE_DATE_EPOCH) or "0"  # empty is as good as unset
        shown = f"${SOURCE_DATE_EPOCH}, {quoted(seconds)},"
    else:
        kind, _, seconds = text.partition(":")
        shown = f"{quoted(text)} in `{option}`"
        if kind != "epoch":
            seconds = ""
    if not re.fullmatch("[0-9]{1,20}", seconds) or int(seconds) > LATEST_SECOND:
        raise UsageError(
            f"{shown} is no time that the clock can stand at",
            hint=f"Give whole seconds since 1970, up to {LATEST_SECOND}: epoch:1700000000, or host.",
        )
    return int(seconds)


def random(text: str, option: str) -> tuple[str, int]:
    """Kind and seed of `seed:N`, `deny` or `host`. Raises `UsageError`."""
    if text in ("deny", "host"):
        return text, 0
    match = re.fullmatch("seed:(-?[0-9]{1,20})", text)
    if not match or not -(1 << 63) <= int(match[1]) < 1 << 64:
        raise UsageError(
            f"{quoted(text)} is not what `{option}` takes",
            hint="Write seed:N with a number of 64 bits, deny, or host: seed:7.",
        )
    return "seed", int(match[1])
