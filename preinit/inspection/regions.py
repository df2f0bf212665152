"""What linkers call the parts of a memory."""

from __future__ import annotations

from bisect import bisect_right

from ..binary.module import Module
from ..binary.sections import Mode
from ..errors import StackLayout
from ..symbols.linker import HEAP_BASE, addresses
from ..symbols.stack import find_stack

#: Names that one place lists.
_FEW = 3


class Regions:
    """Names of places in the memories of a module, each found in the time of a binary search."""

    def __init__(self, module: Module) -> None:
        names = module.names.data_segments
        segments: dict[int, list[tuple[int, int, str]]] = {}
        for number, segment in enumerate(module.data_segments if names else ()):
            if segment.mode is Mode.ACTIVE and segment.offset is not None and number in names:
                end = segment.offset + segment.end - segment.start
                segments.setdefault(segment.memory, []).append((segment.offset, end, names[number]))
        self._segments = {memory: sorted(found) for memory, found in segments.items()}
        known = addresses(module)
        self._heap = known.get(HEAP_BASE)
        # `__so` linkers call borders of regions, not data.
        self._symbols = sorted((at, at, name) for name, at in known.items() if not name.startswith("__"))
        try:
            self._stack = find_stack(module).top
        except StackLayout:
            self._stack = 0

    def name(self, memory: int, start: int, end: int) -> str | None:
        """What lies between two addresses: the stack, the heap, segments and symbols; None where nothing is named."""
        found = _within(self._segments.get(memory, []), start, end)
        if memory == 0:
            if end <= self._stack:
                return "stack"
            if start < self._stack:
                found.insert(0, "stack")
            found += _within(self._symbols, start, end)
            if self._heap is not None and end > self._heap:
                found.append("heap")
        unique = list(dict.fromkeys(found))
        return ", ".join([*unique[:_FEW], *(["..."] if len(unique) > _FEW else [])]) or None


def _within(places: list[tuple[int, int, str]], start: int, end: int) -> list[str]:
    """The first few of the sorted places that reach into a range."""
    at = bisect_right(places, start, key=lambda place: place[0])
    found = [places[at - 1][2]] if at and (places[at - 1][1] > start or places[at - 1][0] == start) else []
    for low, _, name in places[at : at + _FEW + 1]:
        if low >= end:
            break
        found.append(name)
    return found
