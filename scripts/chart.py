"""Draws docs/start.svg, the README's chart, from docs/figures.json: a line from before to after, on a scale of ratios.

A logarithmic scale has no place for bars, whose lengths would mean nothing: so there are dots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from scripts.figures_file import ROOT, Figures

CHART = ROOT / "docs/start.svg"

#: Pixels of the drawing.
WIDTH, LEFT, RIGHT = 760, 280, 80
TOP, ROW, BOTTOM = 66, 44, 46

#: Milliseconds at both ends of the scale, and at its lines.
FIRST, LAST = 0.1, 1000.0
TICKS = (0.1, 1.0, 10.0, 100.0, 1000.0)

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .muted { fill: #59636e; font-size: 12px }
  .ratio { font-weight: 600 }
  .grid { stroke: #d1d9e0 }
  .span { stroke: #8c959f; stroke-width: 2 }
  .before { fill: #8c959f }
  .after { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .muted { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .span { stroke: #656c76 }
    .before { fill: #9198a1 }
    .after { fill: #4493f8 }
  }
"""


#: Benchmark, table and row of each line, and what it shows.
SHOWN = (
    ("start", "first answer", "module", "primes", "C: sieve, then an answer"),
    ("start", "first answer", "module", "javy", "JavaScript engine: compile a script"),
    ("serve", "a request", "program", "cgi", "C: an HTTP request"),
    ("serve", "a request", "program", "lisp", "script language: an HTTP request"),
)


class Entry(NamedTuple):
    """A line: milliseconds before and after."""

    name: str
    what: str
    before: float
    after: float
    times: float


def entries(figures: Figures) -> Iterator[Entry]:
    for benchmark, table, column, name, what in SHOWN:
        row = figures.row(benchmark, table, **{column: name})
        yield Entry(name, what, row["before_ms"], row["after_ms"], row["times"])


def across(milliseconds: float) -> float:
    """Where a time is, in pixels from the left."""
    part = math.log(milliseconds / FIRST) / math.log(LAST / FIRST)
    return LEFT + part * (WIDTH - LEFT - RIGHT)


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{escape(said)}</text>'


def dot(x: float, y: float, kind: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="{kind}"/>'


def number(milliseconds: float) -> str:
    """As the tables have it: three or four digits."""
    return f"{milliseconds:.1f}" if milliseconds >= 100 else f"{milliseconds:.2f}"


def row(entry: Entry, y: float) -> Iterator[str]:
    before, after = entry.before, entry.after
    yield text(16, y - 3, entry.name)
    yield text(16, y + 13, entry.what, "muted")
    yield f'<line x1="{across(after):.1f}" y1="{y:.1f}" x2="{across(before):.1f}" y2="{y:.1f}" class="span"/>'
    yield dot(across(before), y, "before")
    yield dot(across(after), y, "after")
    yield text(across(after) - 10, y + 4, number(after), anchor="end")
    yield text(across(before) + 10, y + 4, number(before))
    yield text(WIDTH - 16, y + 4, f"{entry.times:.0f}\u00d7", "ratio", "end")


def chart(figures: Figures) -> str:
    shown = list(entries(figures))
    about = " and ".join(dict.fromkeys(figures.measured(benchmark).about for benchmark, *_ in SHOWN))
    height = TOP + ROW * len(shown) + BOTTOM
    foot = height - BOTTOM
    parts = [text(16, 24, "Time to the first answer, in milliseconds", "title")]
    x = float(LEFT)
    for kind, label in (("after", "pre-initialized"), ("before", "as it was")):
        parts += [dot(x + 6, 44, kind), text(x + 18, 48, label, "muted")]
        x += 140
    parts.append(text(WIDTH - 16, 48, "times faster", "muted", "end"))
    for tick in TICKS:
        at = across(tick)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{foot}" class="grid"/>')
        parts.append(text(at, foot + 16, f"{tick:g} ms", "muted", "middle"))
    for index, entry in enumerate(shown):
        parts += row(entry, TOP + ROW * index + ROW / 2)
    parts.append(text(16, height - 8, f"{about}; logarithmic scale", "muted"))
    said = "; ".join(f"{e.name} {number(e.before)} ms, then {number(e.after)} ms" for e in shown)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'{head} role="img" aria-labelledby="title">',
            f'<title id="title">Time to the first answer, as it was and pre-initialized: {escape(said)}</title>',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )
