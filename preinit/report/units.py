"""Numbers and names as people read them."""

from __future__ import annotations

from ..errors import counted, printable

#: Characters of a name that a table shows.
LONGEST = 100


def kib(size: int) -> str:
    """A size in bytes as KiB with one decimal."""
    return f"{size / 1024:,.1f}"


def sized(size: int) -> str:
    """A size with its unit: bytes below one KiB, MiB from one on."""
    if size < 1 << 10:
        return counted(size, "byte")
    return f"{size / (1 << 20):,.1f} MiB" if size >= 1 << 20 else f"{kib(size)} KiB"


def short(name: str | None) -> str:
    """A name from a module: what can be printed of it, and of a long one its start."""
    if name is None:
        return ""
    return printable(name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}...")


def signed(size: int) -> str:
    """A difference in bytes with its sign: in KiB, a small one in bytes."""
    shown = f"{kib(abs(size))} KiB" if abs(size) >= 1024 else counted(abs(size), "byte")
    return f"{'+' if size > 0 else '-' if size < 0 else ''}{shown}"


def hexadecimal(number: int | None) -> str:
    return "" if number is None else f"{number:#x}"


def seconds(duration: float) -> str:
    """A duration with three digits and the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if duration * factor >= 1 or unit == "us":
            break
    number = duration * factor
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{digits}f} {unit}"


def times(ratio: float) -> str:
    """How many times one is the other: `3.1 times`."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
