"""A treemap: areas as large as sizes in bytes, groups within groups.

Squarified as in Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000). The tiles are placed in per cent, so that
their labels keep their size however wide the page is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..tuples import NamedTuple
from .page import Html, text, tip

#: Width over height for which the tiles are nearly square. The style gives narrow pages another one.
_WIDTH, _HEIGHT = 16.0, 9.0

#: Smallest part of the width and of the height that a label is written on.
_LEGIBLE = 0.035


class Tile(NamedTuple):
    """`size` in bytes, `label` on the tile, `said` of it when it is pointed at, `colour` a class of the style."""

    label: str
    size: int
    said: str
    colour: str
    parts: tuple[Tile, ...] = ()


class Box(NamedTuple):
    left: float
    top: float
    width: float
    height: float


def drawing(tiles: Sequence[Tile], label: str) -> Html:
    placed = "".join(_markup(tile, box) for tile, box in _placed(tiles, Box(0, 0, _WIDTH, _HEIGHT)))
    return Html(f'<div class="treemap" role="group" aria-label="{text(label)}">{placed}</div>')


def _markup(tile: Tile, box: Box) -> str:
    style = (
        f"left:{_percent(box.left / _WIDTH)};top:{_percent(box.top / _HEIGHT)};"
        f"width:{_percent(box.width / _WIDTH)};height:{_percent(box.height / _HEIGHT)}"
    )
    roomy = box.width > _WIDTH * _LEGIBLE and box.height > _HEIGHT * _LEGIBLE
    label = f"<span>{text(tile.label)}</span>" if roomy else ""
    return f'<div class="tile {tile.colour}" style="{style}" {tip(tile.said)}>{label}</div>'


def _percent(part: float) -> str:
    return f"{100 * part:.3f}%"


def _placed(tiles: Sequence[Tile], box: Box) -> Iterator[tuple[Tile, Box]]:
    """The tiles without parts, and where they are in the box."""
    sized = sorted((tile for tile in tiles if tile.size > 0), key=lambda tile: -tile.size)
    for tile, own in zip(sized, _squarified([tile.size for tile in sized], box), strict=True):
        if tile.parts:
            yield from _placed(tile.parts, own)
        else:
            yield tile, own


def _squarified(sizes: Sequence[int], box: Box) -> Iterator[Box]:
    """A box for each size, largest first, their areas in proportion."""
    left, top, width, height = box
    rest = float(sum(sizes))
    at = 0
    while at < len(sizes):
        short = min(width, height)
        scale = width * height / rest
        row, total, worst = at, 0, float("inf")
        while row < len(sizes):  # one more in the row, as long as that makes its tiles less oblong
            more = total + sizes[row]
            depth = more * scale / short if short else 0.0
            ratio = max(
                (max(depth * depth / (area * scale), area * scale / (depth * depth)) if depth else 1.0)
                for area in (sizes[at], sizes[row])
            )
            if ratio > worst:
                break
            total, worst, row = more, ratio, row + 1
        depth = total * scale / short if short else 0.0
        offset = 0.0
        for size in sizes[at:row]:
            length = short * size / total
            if width >= height:
                yield Box(left, top + offset, depth, length)
            else:
                yield Box(left + offset, top, length, depth)
            offset += length
        if width >= height:
            left, width = left + depth, max(0.0, width - depth)
        else:
            top, height = top + depth, max(0.0, height - depth)
        rest -= total
        at = row
