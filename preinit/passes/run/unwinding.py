"""The second run up to a pause: what it starts with, and whether it went the way of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...engine.values import Unsuited
from ...errors import PauseDiffers, counted, quoted
from ...errors.reason import Reason
from ..plan.job import Job
from .paused import Paused
from .profiles import ProfileStore
from .strategies import Strategy

if TYPE_CHECKING:
    from .kept import Compiled


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

    def __init__(self, job: Job, first: Paused, stack: Sequence[int]) -> None:
        """`stack`: the functions that were active, innermost first."""
        active = frozenset(stack)
        self.store = ProfileStore(job.module, job.options, job.interruptible)
        self.runs_again = False
        self._engine = first.engine
        self.engines = first.guest.engines
        self.expected: Sequence[int] = tuple(dict.fromkeys(reversed(stack)))
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
