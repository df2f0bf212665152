"""How figures are written: tables in Markdown, and numbers with as many digits as mean something."""

from __future__ import annotations

from collections.abc import Sequence

Cells = Sequence[str]


def table(head: Cells, rows: Sequence[Cells], words: int = 1) -> str:
    """Markdown; the first `words` columns are words, the others numbers."""
    rule = ["---" if index < words else "---:" for index in range(len(head))]
    lines = ["".join(f"| {cell} " if cell else "| " for cell in line) + "|" for line in (head, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def seconds(value: float) -> str:
    return f"{value:.2f}" if value < 2 else f"{value:,.1f}"


def milliseconds(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 200 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def percent(value: float) -> str:
    return f"{value:.2f}%" if abs(value) < 0.1 else f"{value:.1f}%"


def megabytes(size: int) -> str:
    """As a label has it: "220 bytes", "1.2 MB", "17 MB"."""
    if size < 10_000:
        return f"{size:,} bytes"
    return f"{size / 1e6:.1f} MB" if size < 10e6 else f"{size / 1e6:.0f} MB"


def best(cells: Sequence[str]) -> list[str]:
    """Cells of a column with the smallest number in bold, or all as they are if none is smaller than another."""
    numbers = {number(cell) for cell in cells if number(cell) is not None}
    least = min((n for n in numbers if n is not None), default=None)
    return [f"**{cell}**" if len(numbers) > 1 and number(cell) == least else cell for cell in cells]


def number(cell: str) -> float | None:
    try:
        return float(cell.replace(",", "").removesuffix(" s").removesuffix("%"))
    except ValueError:
        return None
