"""A size, a clock, random numbers, as users write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UsageError, quoted

#: https://reproducible-builds.org/specs/source-date-epoch/
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"

_SIZE = r"([0-9]{1,30})\s*([kmg]?)(?:i?b)?"  # compiled when it is used, as few commands do
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30}


def size(text: str) -> int:
    """A number of bytes, with an optional unit: 64MiB, 2G. Raises `ValueError`."""
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"{text!r} is not a size such as 64MiB")
    return int(match[1]) << _UNITS[match[2].lower()]


#: A clock, and random numbers, as users write them.
CLOCK = re.compile("host|epoch:[0-9]{1,20}")
RANDOM = re.compile("deny|host|seed:-?[0-9]{1,20}")

#: Seconds that a clock can stand at: what fits in 63 bits as nanoseconds.
LATEST_SECOND = ((1 << 63) - 1) // 10**9


def clock(text: str, option: str) -> int | str:
    """Seconds of `epoch:SECONDS`, or `host`. `option`: what messages call the place that `text` is from.

    Raises `UsageError`.
    """
    if text == "host":
        return text
    return _seconds(text.removeprefix("epoch:") if text.startswith("epoch:") else "", f"{quoted(text)} in `{option}`")


def clock_of(environment: Mapping[str, str]) -> int:
    """What $SOURCE_DATE_EPOCH says, which other tools take too; 0 where it is not set. Raises `UsageError`."""
    seconds = environment.get(SOURCE_DATE_EPOCH) or "0"  # empty is as good as unset
    return _seconds(seconds, f"${SOURCE_DATE_EPOCH}, {quoted(seconds)},")


def _seconds(text: str, shown: str) -> int:
    if not re.fullmatch("[0-9]{1,20}", text) or int(text) > LATEST_SECOND:
        raise UsageError(
            f"{shown} is not a time that the clock can stand at",
            hint=f"Give whole seconds since 1970, up to {LATEST_SECOND}: epoch:1700000000, or host.",
        )
    return int(text)


def random(text: str, option: str) -> str:
    """`seed:N`, `deny` or `host`, in one form. Raises `UsageError`."""
    if text in ("deny", "host"):
        return text
    match = re.fullmatch("seed:(-?[0-9]{1,20})", text)
    if not match or not -(1 << 63) <= int(match[1]) < 1 << 64:
        raise UsageError(
            f"{quoted(text)} is not what `{option}` takes",
            hint="Write seed:N with a number of 64 bits, deny, or host: seed:7.",
        )
    return f"seed:{int(match[1])}"
