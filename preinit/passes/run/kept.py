"""What is kept between builds of one module: in a folder for other processes, and in memory for a Builder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ...binary.module import Module
from ...engine.room import has_limit
from ...engine.runtime import Pending
from ...engine.values import Unsuited
from ...errors.reason import Reason
from ...options import Options
from ..instrument import Instrumented
from ..plan.job import Job, interruptible
from .profiles import MANY, ProfileStore
from .strategies import Strategy, strategies

if TYPE_CHECKING:
    from ...engine.ondemand.prepared import Engines
    from ...engine.profile import Profile
    from .paused import Guest, Paused

    #: What compiling a guest gives.
    Compiled = tuple[Guest, Instrumented]


class Kept(Protocol):
    """`store`: where profiles are kept. `runs_again`: whether code that is compiled runs more than once. `engines`:
    those of an earlier run on demand, whose code needs not be loaded again in them; None for new ones. `expected`:
    functions that will be called, as an earlier run showed.
    """

    store: ProfileStore
    runs_again: bool
    engines: Engines | None
    expected: Sequence[int]

    def strategies(self, job: Job) -> Iterator[Strategy]:
        """Those to try, without what is known to fail."""

    def get(self, job: Job, strategy: Strategy, compile_it: Callable[[], Compiled]) -> Compiled:
        """The guest compiled with that strategy, by `compile_it` if nobody did. Raises what that raises."""

    def unsuited(self, job: Job, strategy: Strategy, problem: Unsuited, following: Strategy) -> None:
        """A strategy turned out not to suit the module; `following` is tried instead."""

    def update(self, job: Job, strategy: Strategy, paused: Paused) -> Pending[None] | None:
        """A guest ran to the end of its initializer: what was learnt about it is kept. That may take until the end of
        what is returned."""


def _learnt(strategy: Strategy, problem: Unsuited, following: Strategy) -> Profile | None:
    """What other builds should know of a problem: where something is known, another run was fine on demand."""
    known = strategy.profile and strategy.profile.chunks
    if following.engine != "whole" or not problem.lasting or known:
        return None
    from ...engine.profile import Profile

    return Profile("", problem.reason)


class KeptInFolder:
    """For one build: what other processes left, and what they are left."""

    def __init__(self, job: Job) -> None:
        self.store = ProfileStore(job.module, job.options, job.interruptible)
        self.runs_again = False
        self.engines: Engines | None = None
        self.expected: Sequence[int] = ()
        self._learnt: Profile | None = None

    def strategies(self, job: Job) -> Iterator[Strategy]:
        return strategies(job.module, job.options, self.store.read)

    def get(self, job: Job, strategy: Strategy, compile_it: Callable[[], Compiled]) -> Compiled:
        return compile_it()

    def unsuited(self, job: Job, strategy: Strategy, problem: Unsuited, following: Strategy) -> None:
        self._learnt = _learnt(strategy, problem, following) or self._learnt

    def update(self, job: Job, strategy: Strategy, paused: Paused) -> Pending[None] | None:
        profile = self._learnt or paused.profile
        if profile is None or len(profile.chunks) < MANY or has_limit():  # a thread takes a tenth of a millisecond
            self.store.write(profile)
            return None
        return job.deadline.start(lambda: self.store.write(profile))


_Key = tuple[str, str, int | None]


class KeptInMemory:
    """For many builds of one module whose options say alike how to compile, in any thread."""

    def __init__(self, module: Module, options: Options) -> None:
        self.store = ProfileStore(module, options, interruptible(options))
        self.runs_again = True
        self.engines: Engines | None = None
        self.expected: Sequence[int] = ()
        self._lock = threading.Lock()
        self._guests: dict[_Key, Compiled] = {}
        self._strategies: dict[Reason | None, list[Strategy]] = {}
        self._unwritten: Profile | None = None
        self._learnt: Profile | None = None
        self._wrote = False

    def strategies(self, job: Job) -> Iterator[Strategy]:
        reason = job.options.host.irreversible
        if reason not in self._strategies:
            self._strategies[reason] = list(strategies(job.module, job.options, self.store.read))
        return iter(self._strategies[reason])

    def get(self, job: Job, strategy: Strategy, compile_it: Callable[[], Compiled]) -> Compiled:
        """See `Kept`; raises `TimeLimit`, too: another build may be compiling it."""
        key = _key(job, strategy)
        remaining = job.deadline.remaining()
        if not self._lock.acquire(timeout=-1 if remaining is None else remaining):
            raise job.deadline.error()
        try:
            if key not in self._guests:
                self._guests[key] = compile_it()
            return self._guests[key]
        finally:
            self._lock.release()

    def unsuited(self, job: Job, strategy: Strategy, problem: Unsuited, following: Strategy) -> None:
        if not problem.lasting:
            return
        reason = job.options.host.irreversible
        known = self._strategies[reason]
        names = [(other.engine, other.compiler) for other in known]
        place = (following.engine, following.compiler)
        if place in names:
            self._strategies[reason] = [following, *known[names.index(place) + 1 :]]
        self._learnt = _learnt(strategy, problem, following) or self._learnt

    def update(self, job: Job, strategy: Strategy, paused: Paused) -> None:
        """Keeps what a run compiled, unless another run did so in the meantime."""
        learnt, self._learnt = self._learnt, None
        if learnt:
            self.store.write(learnt)
        if paused.profile is None:
            return
        key = _key(job, strategy)
        with self._lock:
            known, instrumented = self._guests[key]
            if known is not paused.guest:
                return
            self._guests[key] = known.knowing(paused.profile), instrumented
            self._unwritten = paused.profile
        if not self._wrote:  # the first run has nearly all; the rest is written in the end
            self._wrote = True
            self._flush()

    def close(self) -> None:
        """Leaves to other processes what they can't know yet, and lets go of all guests."""
        self._flush()
        with self._lock:
            self._guests.clear()

    def _flush(self) -> None:
        with self._lock:
            profile, self._unwritten = self._unwritten, None
        self.store.write(profile)


def _key(job: Job, strategy: Strategy) -> _Key:
    return strategy.engine, strategy.compiler, job.compiled_limit
