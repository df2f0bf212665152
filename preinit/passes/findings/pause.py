"""What is to be said about a program that was paused in the middle."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import counted
from ...host.filesread import shown_path
from ...result import BuildWarning, PauseFacts, ResumedFrame
from ..plan.job import Job
from ..rewrite import Rewritten
from ..run.paused import Paused
from ..snapshot import FramesState


def pause_facts(job: Job, paused: Paused, state: FramesState, output: Rewritten) -> PauseFacts | None:
    """The facts for the report; None where nothing was paused."""
    if job.pause is None or state.run is None:
        return None
    names = job.module.function_names({frame.body.function for frame in state.frames})
    first, sizes = output.added
    frames = tuple(
        ResumedFrame(
            frame.body.function,
            names.get(frame.body.function),
            frame.call.start,
            frame.body.end - frame.body.entry,
            size,
            first + number,
        )
        for number, (frame, size) in enumerate(zip(state.frames, sizes, strict=False))
    )
    return PauseFacts(
        str(job.pause.point),
        job.calls[state.run].name,
        frames,
        paused.world.printed,
        job.options.replay_output,
        tuple(shown_path(file.path) for file in state.files),
    )


def pause_warnings(facts: PauseFacts) -> Iterator[BuildWarning]:
    if facts.printed and not facts.replayed:
        yield BuildWarning(
            "output-before-pause",
            f"the program printed {counted(facts.printed, 'byte')} before the pause: no instance prints that",
            "Have the output print it again when it goes on (--replay-output), or pause before.",
        )
