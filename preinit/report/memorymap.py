"""The memory map as a drawing: a cell for each page, row by row. What lies in a cell is said by the page's script."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..errors import counted
from ..inspection.model import MemoryMap, MemoryRun
from .page import EMPTY, Html, join, text
from .units import short, sized

#: Cells in a row, by how many there are in all: the first that has room.
_COLUMNS = ((256, 32), (4096, 64), (1 << 62, 128))

#: Cells up to which lines are drawn between them; more would be smaller than the lines.
_MOST_WITH_LINES = 4096

#: Width of a cell, at most, in rem.
_WIDEST = 1.25

_WORDS = {"zero": "zero", "data": "data of the module", "changed": "changed by the "}


def drawing(memory: MemoryMap, compared: bool, changer: str) -> Html:
    """The map of one memory; nothing for one without pages. `compared`: data is the original's. `changer`: what changed
    pages, in a word."""
    cells = -(-memory.pages // memory.step)
    if not cells:
        return EMPTY
    wanted = next(width for most, width in _COLUMNS if cells <= most)
    columns = min(cells, wanted)
    rows = -(-cells // columns)
    paths: dict[str, list[str]] = {"zero": [], "data": [], "changed": []}
    for run in memory.runs:
        first = run.first_page // memory.step
        paths[run.state] += _boxes(first, first + -(-run.pages // memory.step), columns)
    drawn = join(Html(f'<path class="{state}" d="{"".join(d)}"/>') for state, d in paths.items() if d)
    lines = _lines(columns, rows) if cells <= _MOST_WITH_LINES else EMPTY
    label = text(f"Map of memory {memory.index}: {counted(memory.pages, 'page')}. Arrow keys go from cell to cell.")
    told = {
        "memory": memory.index,
        "columns": columns,
        "cells": cells,
        "pages": str(memory.pages),  # more than a number holds in JavaScript, perhaps
        "step": str(memory.step),
        "size": str(memory.page_size),
        "runs": [[run.first_page // memory.step, _said(run, compared, changer)] for run in memory.runs],
    }
    data = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    return Html(
        f'<div class="map" tabindex="0" role="application" aria-label="{label}">'
        f'<svg viewBox="0 0 {columns} {rows}" style="max-width:{columns * _WIDEST:g}rem" aria-hidden="true">'
        f'{drawn}{lines}<rect class="cursor" width="1" height="1" visibility="hidden"/></svg>'
        f'<script type="application/json">{data}</script></div>'
    )


def _boxes(first: int, last: int, columns: int) -> Iterator[str]:
    """The cells `first` to `last` (not included) as up to three rectangles of an SVG path."""
    while first < last:
        column, row = first % columns, first // columns
        if column or last - first < columns:
            width = min(columns - column, last - first)
            height = 1
        else:
            width, height = columns, (last - first) // columns
        yield f"M{column} {row}h{width}v{height}h-{width}z"
        first += width * height


def _lines(columns: int, rows: int) -> Html:
    upright = "".join(f"M{x} 0v{rows}" for x in range(1, columns))
    level = "".join(f"M0 {y}h{columns}" for y in range(1, rows))
    return Html(f'<path class="lines" d="{upright}{level}"/>')


def _said(run: MemoryRun, compared: bool, changer: str) -> str:
    """What the tip says below the range: state, how much of the run it is, and what is there."""
    words = "data of the original" if compared and run.state == "data" else _WORDS[run.state]
    words += changer * (run.state == "changed")
    if run.state != "zero":
        of = f" in these {run.pages:,} pages" if run.pages > 1 else ""
        size = run.bytes_changed if run.state == "changed" else run.bytes_set
        words += f": {sized(size)}{of}"
    return f"{words}\n{short(run.name)}" if run.name else words
