"""Which way to compile a guest, and another one where that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from ...binary.module import Module
from ...engine.guest import Instrumented
from ...engine.ondemand.suitability import unsuitable, worthwhile
from ...engine.profile import Profile
from ...engine.runtime import Deadline, has_winch
from ...options import Options


class Way(NamedTuple):
    """How to compile: with `engine` "whole" or "ondemand", `compiler` as in the options; why not another way.

    `profile`: what an earlier build learnt.
    """

    engine: str
    compiler: str
    reason: str
    profile: Profile | None = None

    def __str__(self) -> str:
        known = f"; {len(self.profile.chunks):,} parts from the cache" if self.profile and self.profile.chunks else ""
        return f"{'whole' if self.engine == 'whole' else 'on demand'}, compiler {self.compiler}: {self.reason}{known}"


def ways(module: Module, options: Options, read: Callable[[], Profile | None]) -> Iterator[Way]:
    """The ways to try, one after the other. The last one is always the whole module.

    `read` gives what an earlier build learnt about the module.
    """
    whole = Way("whole", options.compiler, "asked for")
    if options.engine != "whole":
        reason = options.host.irreversible
        if reason is None and options.engine == "auto" and not worthwhile(module):
            reason = "its code is small"
        profile = None if reason else read()
        if reason is None and not (profile and profile.chunks):  # a module of which there are chunks is suitable
            reason = unsuitable(module)
        if reason is None and profile and options.engine == "auto":
            reason = profile.whole or None
        if reason is None:
            why = "asked for" if options.engine == "ondemand" else "its code is large"
            compilers = [options.compiler]
            if options.compiler == "auto":
                # The baseline compiler has no exceptions, and a module with tags uses them.
                compilers = ["winch", "cranelift"] if has_winch() and not module.tags else ["cranelift"]
            if profile and profile.compiler in compilers:
                compilers = compilers[compilers.index(profile.compiler) :]
            for compiler in compilers:
                yield Way("ondemand", compiler, why, profile)
        else:
            whole = whole._replace(reason=reason)
    yield whole


class _Compiled(Protocol):
    def knowing(self, profile: Profile | None) -> Self: ...


G = TypeVar("G", bound=_Compiled)

_Key = tuple[str, str, int | None]


class Kept(Generic[G]):
    """Guests that are compiled already, for many builds of one module, in any thread.

    `read` and `write`: what another process has learnt about the module, and what this one leaves to others.
    """

    def __init__(self, read: Callable[[], Profile | None], write: Callable[[Profile | None], None]) -> None:
        self._read = read
        self._write = write
        self._lock = threading.Lock()
        self._guests: dict[_Key, tuple[G, Instrumented]] = {}
        self._ways: dict[str | None, list[Way]] = {}
        self._unwritten: Profile | None = None
        self._wrote = False

    def ways(self, module: Module, options: Options) -> Iterator[Way]:
        """See `ways`; without those that failed for good."""
        reason = options.host.irreversible
        if reason not in self._ways:
            self._ways[reason] = list(ways(module, options, self._read))
        return iter(self._ways[reason])

    def give_up(self, options: Options, way: Way) -> None:
        """Nothing before `way` is tried again."""
        known = self._ways[options.host.irreversible]
        names = [(other.engine, other.compiler) for other in known]
        if (way.engine, way.compiler) in names:
            known = [way, *known[names.index((way.engine, way.compiler)) + 1 :]]
            self._ways[options.host.irreversible] = known

    def obtain(
        self, deadline: Deadline, way: Way, limit: int | None, compile_it: Callable[[], tuple[G, Instrumented]]
    ) -> tuple[G, Instrumented]:
        """The guest compiled in that way, by `compile_it` if nobody did. Raises what that raises, and `TimeLimit`.

        `limit`: bytes of memory that its code compares with, None if it does not.
        """
        key = (way.engine, way.compiler, limit)
        remaining = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if remaining is None else remaining):
            raise deadline.error()
        try:
            if key not in self._guests:
                self._guests[key] = compile_it()
            return self._guests[key]
        finally:
            self._lock.release()

    def learn(self, way: Way, limit: int | None, guest: G, profile: Profile | None) -> None:
        """Keeps what a run of `guest` compiled, unless another run did so in the meantime."""
        if profile is None:
            return
        key = (way.engine, way.compiler, limit)
        with self._lock:
            known, instrumented = self._guests[key]
            if known is not guest:
                return
            self._guests[key] = known.knowing(profile), instrumented
            self._unwritten = profile
        if not self._wrote:  # the first run has nearly all; the rest is written in the end
            self._wrote = True
            self.flush()

    def flush(self) -> None:
        """Leaves to other processes what they can't know yet."""
        with self._lock:
            profile, self._unwritten = self._unwritten, None
        self._write(profile)

    def clear(self) -> None:
        """Lets go of all guests."""
        with self._lock:
            self._guests.clear()
