"""A measurement as text for people: one aligned table."""

from __future__ import annotations

from ..bench.model import Bench, Side
from .columns import columns
from .units import kib, seconds, times

#: What is said where something was not measured.
NOTHING = "-"


def rows(found: Bench) -> list[tuple[str, str, str, str]]:
    """What was measured, of the original, of the output, and how they compare where that says something."""
    sides = (found.original, found.output)

    def pair(label: str, values: list[str], compared: str = "") -> tuple[str, str, str, str]:
        return label, values[0], values[1], compared

    table = [
        pair("start, median", [seconds(side.start.median) for side in sides], f"{times(found.ratio)} faster"),
        pair("start, middle half", [_quartiles(side) for side in sides]),
        pair("rounds", [f"{len(side.start.seconds):,}" for side in sides]),
        pair("copies per second", [rate(side) for side in sides]),
        pair("memory per copy, KiB", [_memory(side, "resident") for side in sides]),
        pair("  less what is shared", [_memory(side, "proportional") for side in sides]),
        pair("compile time", [seconds(side.compile_seconds) for side in sides]),
        pair("size, KiB", [kib(side.size.raw) for side in sides]),
        pair("size with gzip, KiB", [kib(side.size.gzip) for side in sides]),
    ]
    if all(side.size.brotli is not None for side in sides):
        table.append(pair("size with brotli, KiB", [kib(side.size.brotli or 0) for side in sides]))
    return table


def rate(side: Side) -> str:
    found = side.copies_per_second
    return f"{found:,.0f}" if found >= 100 else f"{found:.3g}"


def calls(side: Side) -> str:
    """What is done to start a copy."""
    return ", ".join(("instantiate", *side.functions))


def _quartiles(side: Side) -> str:
    first, third = side.start.quartiles
    return f"{seconds(first)} to {seconds(third)}"


def _memory(side: Side, kind: str) -> str:
    return NOTHING if side.memory is None else kib(getattr(side.memory, kind))


def lines(found: Bench) -> list[str]:
    """The whole measurement."""
    return [
        *columns(("", "original", "output", ""), rows(found), numbers=(1, 2)),
        "",
        f"original: {calls(found.original)}",
        f"output: {calls(found.output)}",
        f"{found.engine}, {found.compiler}; in turn, in one thread",
    ]
