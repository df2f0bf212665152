"""From a guest after its initializer to a Snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plan.job import Job
from ..run.observed import observe_after
from ..snapshot import FramesState, Snapshot
from .globals import capture_globals
from .memories import capture_memories
from .segments import capture_segments
from .tables import capture_tables

if TYPE_CHECKING:
    from ..run.paused import Paused

__all__ = ["capture"]


def capture(job: Job, paused: Paused) -> Snapshot:
    """All state of a paused guest. The snapshot's memories are views of its instance: keep it.

    Raises `UnsupportedState` for what can't be written to a module; of one that was paused, `PauseRefused`, too.
    """
    module, owners = job.module, job.owners
    instrumented, instance = paused.instrumented, paused.instance
    after = observe_after(module, instrumented, instance, paused.before)
    tables = capture_tables(module, paused.before, after, instance, owners.tables)
    globals_ = capture_globals(module, paused.before, after, instance, owners.globals)
    segments = capture_segments(module, instrumented, instance)  # runs probes, so it comes before the views
    frames = FramesState()
    if paused.pausing is not None:
        from .frames import capture_frames

        frames = capture_frames(module, paused, job.options, [call.name for call in job.calls])
    return Snapshot(capture_memories(module, instrumented, instance), globals_, tables, segments, frames)
