"""Many copies as text for people: one aligned table."""

from __future__ import annotations

from ..bench.model import Many, ManyCopies
from .bench_text import NOTHING
from .columns import columns
from .units import kib, seconds


def _memory(size: int | None) -> str:
    return NOTHING if size is None else kib(size)


def _stock(per_second: float | None) -> str:
    return NOTHING if per_second is None else f"{per_second:,.0f}"


def lines(found: ManyCopies) -> list[str]:
    """The whole measurement."""
    sides = (found.original, found.output, found.empty)

    def row(label: str, values: list[str]) -> tuple[str, ...]:
        return label, *values

    def answer(side: Many) -> str:
        return NOTHING if side.first_byte is None else seconds(side.first_byte)

    rows = [
        row("size, KiB", [kib(side.size) for side in sides]),
        row("copies per second", [f"{side.per_second:,.0f}" for side in sides]),
        row("  in a stock engine", [_stock(side.per_second_stock) for side in sides]),
        row("first byte, median", [answer(side) for side in sides]),
        row("memory per copy, KiB", [_memory(side.memory) for side in sides]),
        row("  after its answer", [_memory(side.memory_called) for side in sides]),
    ]
    pool = "out of a pool" if found.output.pooled else "each with address space of its own"
    return [
        *columns(("", "original", "output", "empty"), rows, numbers=(1, 2, 3)),
        "",
        f"{found.copies:,} copies of each, in turn, in one thread, {pool}; started and freed, not called",
    ]
