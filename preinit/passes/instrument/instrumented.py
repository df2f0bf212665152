"""Under which names the copy of a module that is run exports its state."""

from __future__ import annotations

from ...tuples import NamedTuple
from .segments import SegmentProbes


class FrameProbes(NamedTuple):
    """Exports of what the copy has besides the original's state, to be paused: see `frames`.

    `memory` and `functions` (a table): what unwound frames held. `unwinding`: a global that is not 0 while the guest is
    unwound. `used`: a global, bytes of the memory. `left`: a global, entries of a function that are left to the pause;
    `begun`: a global, how many were when the innermost call began.
    """

    memory: str
    functions: str
    unwinding: str
    used: str
    left: str
    begun: str


class Instrumented(NamedTuple):
    """One part for each kind of state; `memories`, `globals`, `tables`: index in the original -> export.

    `start`: the export of the start function, which does not run on its own. `frames`: only of a copy that is paused.
    """

    memories: dict[int, str]
    globals: dict[int, str]
    tables: dict[int, str]
    segments: SegmentProbes
    start: str | None
    frames: FrameProbes | None = None
