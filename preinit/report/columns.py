"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> list[str]:
    """Aligned lines, indented; the columns `numbers`, from 0 on, to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]

    def aligned(line: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return ("  " + "  ".join(cells)).rstrip()

    return list(map(aligned, lines))
