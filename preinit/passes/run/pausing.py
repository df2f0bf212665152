"""Running a guest up to a pause in the middle: twice, since only the first run shows which functions are active.

The first run goes up to the pause and lists the frames. The second is one of a copy whose active functions give away
what they hold when they are unwound, see `instrument.frames`. Everything else that the first compiled serves it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...engine.guest import Instance
from ...errors import Frame, GuestExit, NeverPaused, PauseRefused, PreinitError, counted
from ..instrument import Instrumented
from ..instrument.frames import HOOK, MOST_FRAMES, Watched
from ..plan.pause import Pause

if TYPE_CHECKING:
    from ...host.pausing import Watch


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
        self._entries: Callable[[], int] | None = None

    def in_world(self, watch: Watch | None) -> Pausing:
        """The second run once more, in another world."""
        assert watch is not None
        return Pausing(self.pause, self.watched, watch, True)

    def attend(self, instrumented: Instrumented, instance: Instance) -> None:
        """Waits for the pause of a fresh instance."""
        probes = instrumented.frames
        assert probes is not None  # it is a copy that is watched

        def stop() -> None:
            if instance.active > 1:
                raise PauseRefused(
                    "the program is paused in a call that a Python function made: that function is active, too",
                    hint="Pause where no function of the host waits for the program.",
                )
            self.stack = instance.stack()
            if not self._unwinds:
                raise Stopped
            instance.set_integer(probes.unwinding, 1, 4)

        self.watch.stop = stop
        if self.watched.hooked is not None:
            self._entries = lambda: self._entered(instance, probes.left)
            instance.set_host_function(probes.functions, HOOK, self.watch.entered)

    def settle(self, instrumented: Instrumented, instance: Instance) -> None:
        """The guest was unwound: whatever is called now, runs as it would."""
        probes = instrumented.frames
        assert probes is not None  # it is a copy that is watched
        instance.set_integer(probes.unwinding, 0, 4)
        self.watch.over = True

    @property
    def reached(self) -> bool:
        return self.watch.reached

    def never(self, how: str) -> NeverPaused:
        """What to raise where the guest ended before. `how` it did."""
        last = self.watch.last_calls
        called = f"; the imports that it called last: {', '.join(last)}" if last else "; it called no import"
        often = ""
        if self.pause.point.number > 1:
            often = f", of which it made {counted(self._entries() if self._entries else self.watch.calls, 'call')}"
        return NeverPaused(f"the program {how} without coming to {self.pause.point}{often}{called}")

    def _entered(self, instance: Instance, left: str) -> int:
        """How often the function was entered where the guest is to be paused."""
        bits = instance.global_value(left, 4).bits
        return self.pause.point.number - int.from_bytes(bits[:4], "little", signed=True)

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
