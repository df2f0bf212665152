"""A guest after its initializer, or where it was paused."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from ...engine.guest import Instance
from ...engine.runtime import Pending
from ...errors import PreinitError, TimeLimit
from ...tuples import NamedTuple
from ..instrument import Instrumented
from .observed import Observed

if TYPE_CHECKING:
    from ...engine.ondemand.instance import OnDemandGuest
    from ...engine.profile import Profile
    from ...engine.whole import CompiledGuest
    from ...host.world import World
    from ...result import EngineFacts, HostFacts, RunFacts
    from .pausing import Pausing

    #: A guest that is compiled, in one of the ways that there are.
    Guest = CompiledGuest | OnDemandGuest


class Paused(NamedTuple):
    """An instance in which nothing runs any more: `with run_guest(...) as paused:` frees it, and closes its world.

    Parameters
    ----------
    instrumented: where things are in the instance.
    before: what it held before anything ran.
    runs, returned: what was run, and the raw results of each call.
    given: the raw arguments of the call of each of the job's entries: their data is in the guest's memory.
    guest: the compiled code.
    profile: what is worth keeping for the next build; None if nothing is.
    process_ends: the process ends after this, so the memory needs not be freed.
    pausing: how it was paused; None at the end of the last call.
    other: the same guest, paused at the same place in a larger environment; None where there is none.
    keeping: writes the profile, beside other work; None if it is written.
    """

    instance: Instance
    instrumented: Instrumented
    before: Observed
    runs: tuple[RunFacts, ...]
    returned: tuple[list[bytes], ...]
    given: tuple[list[bytes], ...]
    world: World
    host: HostFacts
    engine: EngineFacts
    profile: Profile | None
    guest: Guest
    process_ends: bool
    pausing: Pausing | None = None
    other: Paused | None = None
    keeping: Pending[None] | None = None

    @property
    def known(self) -> Profile | None:
        """All code that there is of it, for another run; None where nothing was compiled on demand."""
        return self.profile or self.guest.known

    def __enter__(self) -> Paused:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.close()
        if self.other:
            self.other.__exit__(kind, problem, trace)
        if problem is not None and (not isinstance(problem, PreinitError) or isinstance(problem, TimeLimit)):
            return  # a thread may still be reading the guest's memories, after an interrupt, too
        if self.keeping:
            self.keeping.result()
        if problem is None and self.process_ends:
            return  # freeing memory takes time
        self.instance.close()  # whoever keeps an error must not keep the memories

    def close(self) -> None:
        """Frees it now: no view of its memories may be used any more."""
        self.world.close()
        if self.keeping:
            self.keeping.result()
        self.instance.close()
        if self.other:
            self.other.close()
