"""Where the bytes of a module are: sections, functions and named segments as a treemap."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from ..inspection.functions import UNNAMED
from ..inspection.model import FunctionGroup, Inspection, SectionFacts
from . import treemap
from .page import Html, join, legend, paragraph
from .units import short, sized

#: Tiles of sections, and of data segments that have names.
_MOST_TILES = 30

_COLOURS = {"code": "series-1", "data": "series-2", "name": "series-3", "element": "series-4"}
_CUSTOM, _OTHER = "series-5", "series-6"


def drawing(found: Inspection) -> Html:
    largest = sorted(found.sections, key=lambda section: -section.size)
    tiles = [_tile(found, section) for section in largest[:_MOST_TILES]]
    rest = sum(section.size for section in largest[_MOST_TILES:])
    tiles.append(treemap.Tile("other sections", rest, f"other sections\n{sized(rest)}", _OTHER))
    names = {_COLOURS.get(section.name, _OTHER): section.name for section in found.sections if not section.custom}
    if any(section.custom and section.name == "name" for section in found.sections):
        names[_COLOURS["name"]] = "names"
    if any(section.custom and section.name != "name" for section in found.sections):
        names[_CUSTOM] = "custom sections"
    if _OTHER in names:
        names[_OTHER] = "other sections"
    return join(
        [
            paragraph("Areas are sizes in the file. Code is divided by the beginning of the functions' names."),
            legend(sorted(names.items())),
            treemap.drawing(tiles, "Treemap of sizes in the file"),
        ]
    )


def _tile(found: Inspection, section: SectionFacts) -> treemap.Tile:
    name = short(section.name)
    if section.custom:
        colour = _COLOURS["name"] if section.name == "name" else _CUSTOM
        return treemap.Tile(name, section.size, f"custom section {name}\n{sized(section.size)}", colour)
    colour = _COLOURS.get(section.name, _OTHER)
    said = f"{name} section\n{sized(section.size)}"
    parts: list[treemap.Tile] = []
    if section.name == "code":
        for group in found.groups:
            parts += _function_tiles(found, group, colour)
    if section.name == "data":
        named = sorted((s for s in found.data_segments if s.name), key=lambda s: -s.size)[:_MOST_TILES]
        for segment in named:
            title = short(segment.name)
            parts.append(treemap.Tile(title, segment.size, f"data segment {title}\n{sized(segment.size)}", colour))
        rest = found.data_bytes - sum(segment.size for segment in named)
        others = f"{'other' if named else 'all'} data segments"
        parts.append(treemap.Tile(others if named else "data", rest, f"{others}\n{sized(rest)}", colour))
    return treemap.Tile(name, section.size, said, colour, tuple(parts))


def _function_tiles(found: Inspection, group: FunctionGroup, colour: str) -> Iterator[treemap.Tile]:
    """A tile for the group; of functions without a name, one for each of the largest."""
    rest, number = group.size, group.functions
    if group.name == UNNAMED:
        for function in found.largest_functions:
            if function.name is None:
                title = f"function {function.index}"
                rest, number = rest - function.size, number - 1
                yield treemap.Tile(
                    f"#{function.index}", function.size, f"code: {title}\n{sized(function.size)}", colour
                )
    title = short(group.name)
    said = f"code: {title}\n{counted(number, 'function')}, {sized(rest)} of bodies"
    yield treemap.Tile(title, rest, said, colour)
