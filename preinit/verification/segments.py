"""Segments: what code would find in each that it can name: nothing in one that was dropped, or was active."""

from __future__ import annotations

from collections.abc import Iterator

from ..binary.module import Module, SectionId
from ..binary.sections import Mode
from ..errors import Discrepancy
from ..passes.snapshot import SegmentsState
from ..symbols.places import Places

#: Bytes of a segment that are shown.
_SHOWN = 16


def compare_segments(
    module: Module, output: Module, places: Places, before: SegmentsState, after: SegmentsState
) -> Iterator[Discrepancy]:
    if output.section(SectionId.DATA_COUNT):  # without it, no valid code names any
        for index in range(len(module.data_segments)):
            a, b = _data(module, index, before), _data(output, index, after)
            if a != b:
                name = places.single("data segment", index)
                place = f"data segment {index}{f' ({name})' if name else ''}"
                yield Discrepancy("data segment", place, _size(a), _size(b))
    for index in range(len(module.elements)):
        x, y = _elements(module, index, before), _elements(output, index, after)
        if x != y:
            yield Discrepancy("element segment", f"element segment {index}", _size(x), _size(y))


def _data(module: Module, index: int, state: SegmentsState) -> bytes:
    if index >= len(module.data_segments):
        return b""
    segment = module.data_segments[index]
    live = segment.mode is Mode.PASSIVE and index not in state.dropped_data
    return module.data[segment.start : segment.end] if live else b""


def _elements(module: Module, index: int, state: SegmentsState) -> bytes:
    if index >= len(module.elements):
        return b""
    segment = module.elements[index]
    live = segment.mode is Mode.PASSIVE and index not in state.dropped_elements and segment.length
    return module.data[segment.raw[0] : segment.raw[1]] if live else b""


def _size(content: bytes) -> str:
    return f"{len(content)} bytes: {content[:_SHOWN].hex(' ')}" if content else "nothing"
