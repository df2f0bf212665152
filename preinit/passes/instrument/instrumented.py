"""Under which names the copy of a module that is run exports its state."""

from __future__ import annotations

from typing import NamedTuple

from .segments import SegmentProbes


class Instrumented(NamedTuple):
    """One part for each kind of state; `memories`, `globals`, `tables`: index in the original -> export.

    `start`: the export of the start function, which does not run on its own.
    """

    memories: dict[int, str]
    globals: dict[int, str]
    tables: dict[int, str]
    segments: SegmentProbes
    start: str | None
