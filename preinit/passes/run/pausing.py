"""Running a guest up to a pause in the middle: twice, since only the first run shows which functions are active.

The first run goes up to the pause and lists the frames. The second is one of a copy whose active functions give away
what they hold when they are unwound, see `instrument.frames`. Everything else that the first compiled serves it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...engine.guest import Instance
from ...engine.values import Unsuited
from ...errors import Frame, GuestExit, NeverPaused, PauseDiffers, PauseRefused, PreinitError, counted, quoted
from ...errors.reason import Reason
from ..instrument import Instrumented
from ..instrument.frames import HOOK, MOST_FRAMES, Watched
from ..plan.job import Job
from ..plan.pause import Pause
from .profiles import ProfileStore
from .strategies import Strategy

if TYPE_CHECKING:
    from ...host import Watch
    from .kept import Compiled
    from .paused import Paused


class Stopped(Exception):
    """The first run has come to the pause: whatever is under way ends."""


class Pausing:
    """One run up to the pause. `unwinds`: the second, in which the frames are known.

    `run`: which of the job's calls is under way, -1 for the start function. `stack`: what is active at the pause, see
    `guest.Instance.stack`.
    """

    def __init__(self, pause: Pause, watched: Watched, watch: Watch, unwinds: bool) -> None:
        self.pause = pause
        self.watched = watched
        self.watch = watch
        self._unwinds = unwinds
        self.run = -1
        self.stack: list[int | None] = []

    def in_world(self, watch: Watch | None) -> Pausing:
        """The second run once more, in another world."""
        assert watch is not None
        return Pausing(self.pause, self.watched, watch, True)

    def attend(self, instrumented: Instrumented, instance: Instance) -> None:
        """Waits for the pause of a fresh instance."""
        probes = instrumented.frames
        assert probes is not None  # it is a copy that is watched

        def stop() -> None:
            self.stack = instance.stack()
            if not self._unwinds:
                raise Stopped
            instance.set_number(probes.unwinding, 1)

        self.watch.stop = stop
        if self.watched.hooked is not None:
            instance.set_host_function(probes.functions, HOOK, self.watch.entered)

    @property
    def reached(self) -> bool:
        return self.watch.reached

    def never(self, how: str) -> NeverPaused:
        """What to raise where the guest ended before. `how` it did."""
        last = self.watch.last_calls
        called = f"; the imports that it called last: {', '.join(last)}" if last else "; it called no import"
        return NeverPaused(f"the program {how} without coming to {self.pause.point}{called}")

    def explained(self, problem: PreinitError) -> PreinitError:
        """An error of a run up to the pause: of an exit, that it was no pause; frames as they are in the input."""
        if isinstance(problem, GuestExit):
            return self.never(f"ended with exit code {problem.status}")
        problem.frames = tuple(map(self._original, problem.frames))
        return problem

    def _original(self, frame: Frame) -> Frame:
        """Offsets are those of the copy: it has the same bodies, all in another place, but for a few."""
        if frame.offset is None:
            return frame
        copy, original = self.watched.module, self.watched.original
        defined = frame.function_index - original.imported_functions
        if not 0 <= defined < len(original.bodies):
            return frame
        mine, its = copy.bodies[defined], original.bodies[defined]
        same = mine.end - mine.start == its.end - its.start
        return frame._replace(offset=frame.offset - mine.start + its.start if same else None)


def checked_stack(pausing: Pausing) -> tuple[int, ...]:
    """The functions that were active in the first run, innermost first; without the one that the guest was entering.

    Raises `PauseRefused`.
    """
    stack = pausing.stack
    if pausing.run < 0:
        raise PauseRefused(
            "the program is paused in the module's start function, which ends before anything can be called",
            hint="Pause later: in what an export calls.",
        )
    if len(stack) > MOST_FRAMES:
        raise PauseRefused(f"{len(stack):,} functions are active at the pause, and at most {MOST_FRAMES:,} can be")
    found = [function for function in stack if function is not None]
    if len(found) < len(stack):
        raise PauseRefused(
            "a module that was preloaded is active at the pause: what it is in the middle of can't be written",
            hint="Pause where no function of a preloaded module is on the stack.",
        )
    hooked = pausing.watched.hooked
    if hooked is not None:
        if not found or found[0] != hooked:
            raise PauseRefused("the function where the program is paused is not on the stack")
        del found[0]
    return tuple(found)


def compare(first: Paused, second: Paused) -> None:
    """Raises `PauseDiffers` where the runs went different ways."""
    assert first.pausing is not None and second.pausing is not None
    if first.pausing.stack != second.pausing.stack or first.pausing.run != second.pausing.run:
        raise PauseDiffers("other functions were active at the pause when the program was run again")
    if first.host.calls != second.host.calls:
        names = sorted(first.host.calls.keys() | second.host.calls.keys())
        name = next(n for n in names if first.host.calls.get(n, 0) != second.host.calls.get(n, 0))
        numbers = [counted(run.host.calls.get(name, 0), "time") for run in (first, second)]
        raise PauseDiffers(
            f"up to the pause, the program called {quoted(name)} {numbers[0]} in its first run, {numbers[1]} in another"
        )


class KeptForUnwinding:
    """What the second run starts with: what the first compiled, but for the functions that were active.

    Of other builds' there is nothing: another pause has other active functions.
    """

    def __init__(self, job: Job, first: Paused, active: frozenset[int]) -> None:
        self.store = ProfileStore(job.module, job.options, job.interruptible)
        self.runs_again = False
        self._engine = first.engine
        known = first.known
        self._profile = (
            known._replace(chunks=tuple(chunk for chunk in known.chunks if active.isdisjoint(chunk.functions)))
            if known
            else None
        )

    def strategies(self, job: Job) -> Iterator[Strategy]:
        why = Reason(self._engine.reason_code, self._engine.reason)
        yield Strategy(self._engine.name, self._engine.compiler, why, self._profile)
        if self._engine.name != "whole":
            if self._engine.compiler != "cranelift" and job.options.compiler == "auto":
                yield Strategy("ondemand", "cranelift", why)
            yield Strategy("whole", job.options.compiler, why)

    def get(self, job: Job, strategy: Strategy, compile_it: Callable[[], Compiled]) -> Compiled:
        return compile_it()

    def unsuited(self, job: Job, strategy: Strategy, problem: Unsuited, following: Strategy) -> None:
        """Nothing is learnt from it: the first run says what suits the module."""

    def update(self, job: Job, strategy: Strategy, paused: Paused) -> None:
        """Nothing is kept."""
