"""A measurement as a page: the figures that matter, a chart, the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..bench.model import Bench
from ..tuples import NamedTuple
from .bench_text import calls, rate, rows
from .page import Card, Html, Section, cards, code, facts, figure, join, legend, page, table, text, tip
from .units import seconds, sized, times

#: Height of a bar and of what is between them, where bars begin and end, in units of the drawing.
_BAR, _GAP, _GROUP = 18, 4, 46
_LEFT, _RIGHT, _WIDTH = 170, 640, 760


class _Bars(NamedTuple):
    """One thing that was measured, of both: the numbers, and how they are said."""

    label: str
    values: tuple[float, float]
    said: tuple[str, str]


def bench_page(found: Bench, original: str, output: str) -> str:
    """The page. `original`, `output`: what to call the modules."""
    sides = (found.original, found.output)
    figures = [
        Card("start of the original", seconds(found.original.start.median), "median"),
        Card("start of the output", seconds(found.output.start.median), "median"),
        Card("the output starts", f"{times(found.ratio)} faster"),
        Card("copies per second", rate(found.output), "of the compiled output, in one thread"),
    ]
    durations = [_bars("start", [side.start.median for side in sides], seconds)]
    durations.append(_bars("compile time", [side.compile_seconds for side in sides], seconds))
    amounts = [
        _bars("size", [side.size.raw / _KIB for side in sides], _amount),
        _bars("size with gzip", [side.size.gzip / _KIB for side in sides], _amount),
    ]
    memories = [side.memory for side in sides if side.memory]
    if len(memories) == len(sides):
        amounts.append(_bars("memory per copy", [memory.resident / _KIB for memory in memories], _amount))
    measured = facts(
        (
            ("original", join((code(original), text(f": {calls(found.original)}")))),
            ("output", join((code(output), text(f": {calls(found.output)}")))),
            ("engine", text(f"{found.engine}, {found.compiler}")),
            ("rounds", text(f"{len(found.output.start.seconds)}, in turn")),
        )
    )
    headings = ("", "original", "output", "")
    cells = [tuple(map(_unbroken, row)) for row in rows(found)]
    return page(
        f"Start-up of {output}",
        f"{original} against what preinit made of it, in {found.engine}.",
        [
            Section("figures", "Figures", cards(figures)),
            Section("chart", "Chart", join((_LEGEND, _chart(durations, seconds), _chart(amounts, _round_amount)))),
            Section("table", "All that was measured", table(headings, cells, numbers=(1, 2))),
            Section("how", "What was measured", measured),
        ],
    )


_NAMES = ("original", "output")
_LEGEND = legend((f"series-{number}", name) for number, name in enumerate(_NAMES, 1))


_KIB = 1024


def _unbroken(said: str) -> Html:
    """Text of a cell that is short enough to stay on one line."""
    return Html(f'<span style="white-space:nowrap">{text(said)}</span>')


def _amount(size: float) -> str:
    """KiB with the unit."""
    return sized(round(size * _KIB))


def _round_amount(size: float) -> str:
    return f"{size:,g} KiB"


def _bars(label: str, values: Sequence[float], say: Callable[[float], str]) -> _Bars:
    return _Bars(label, (values[0], values[1]), (say(values[0]), say(values[1])))


def _chart(groups: Sequence[_Bars], say: Callable[[float], str]) -> Html:
    """Horizontal bars on a logarithmic scale: what is compared may differ by orders of magnitude. `say`: its labels."""
    numbers = [max(value, 1e-9) for group in groups for value in group.values]
    low = math.floor(math.log10(min(numbers)))
    high = max(math.ceil(math.log10(max(numbers))), low + 1)

    def place(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * max(0.0, math.log10(max(value, 1e-9)) - low) / (high - low)

    height = len(groups) * _GROUP + 24
    drawn = []
    step = 1 + (high - low) // 6
    for power in range(low, high + 1, step):
        at = place(10.0**power)
        drawn.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height - 22}" stroke="var(--line)"/>'
            f'<text x="{at:.1f}" y="{height - 6}" font-size="11" text-anchor="middle">{text(say(10.0**power))}</text>'
        )
    for row, group in enumerate(groups):
        top = row * _GROUP + 4
        drawn.append(f'<text x="0" y="{top + _BAR + 6}" font-size="13">{text(group.label)}</text>')
        for number, (value, said) in enumerate(zip(group.values, group.said, strict=True)):
            y, end = top + number * (_BAR + _GAP), max(place(value), _LEFT + 1)
            drawn.append(
                f'<rect x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}" rx="2" '
                f'class="series-{number + 1}" {tip(f"{group.label}, {_NAMES[number]}: {said}")}/>'
                f'<text x="{end + 6:.1f}" y="{y + 13}" font-size="12">{text(said)}</text>'
            )
    label = text(f"Bars of {', '.join(group.label for group in groups)}")
    style = "min-width:36rem;max-width:48rem"  # smaller, its text could not be read: then it scrolls
    drawing = (
        f'<div class="scroll" tabindex="0"><svg viewBox="0 0 {_WIDTH} {height}" style="{style}" role="group" '
        f'aria-label="{label}">{"".join(drawn)}</svg></div>'
    )
    return figure(Html(drawing), "The scale is logarithmic: each line is ten times the one before, or more.")
