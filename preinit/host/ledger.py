"""The ledger: what a guest asked of the world while it initialized, and where it asked first."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING

from ..binary.module import Module
from ..engine.values import RawFrame
from ..errors import Frame
from ..options import Host
from .buffers import unflushed
from .filesread import shown_path

if TYPE_CHECKING:
    from ..result import HostFacts
    from .wasi1.functions import Functions

#: From the engine's frames to indices of functions of the original module.
Original = Callable[[Sequence[RawFrame]], list[int]]


class Calls(dict[str, int]):
    """How often each import was called. Host functions count themselves: `calls[name] += 1`.

    The first time, that takes the guest's backtrace with `backtrace`; from then on it costs what a dict costs.
    """

    def __init__(self, watched: Container[str] = ()) -> None:
        super().__init__()
        self._watched = watched
        #: The same of each call of a `watched` function that did so, once: None after too many.
        self.callers: dict[str, dict[tuple[RawFrame, ...], None] | None] = {}
        self.backtrace: Callable[[], Sequence[RawFrame]] = tuple
        self.first: dict[str, Sequence[RawFrame]] = {}
        #: The same of the first call that did what a warning tells of: not each one reads or takes something.
        self.causes: dict[str, Sequence[RawFrame]] = {}

    def __missing__(self, name: str) -> int:
        self.note(name)
        return 0

    def note(self, name: str) -> None:
        """The first call of a function whose calls somebody else counts."""
        self.first.setdefault(name, self.backtrace())

    def mark(self, name: str) -> None:
        """This call of `name` does what a warning tells of."""
        if name not in self.causes:
            self.causes[name] = self.here(name)
        if name in self._watched:
            self.watch(name)

    def watch(self, name: str) -> None:
        """Notes where the guest is, during a call of `name`."""
        known = self.callers.setdefault(name, {})
        if known is not None:
            known[tuple(self.here(name))] = None
            if len(known) > MOST_CALLERS:
                self.callers[name] = None

    def here(self, name: str) -> Sequence[RawFrame]:
        """Where the guest is, during a call of `name`: of the first one, that is known."""
        known = self.first.get(name) if self.get(name) == 1 else None
        return self.backtrace() if known is None else known


#: Ways to a function of the world that are told apart, where each must be known.
MOST_CALLERS = 1000


def _backtraces(
    module: Module, groups: Sequence[Mapping[str, Sequence[RawFrame]]], original: Original
) -> list[dict[str, tuple[Frame, ...]]]:
    """Backtraces without offsets: for a guest that is compiled on demand, those take a while.

    Names of functions are looked up for all groups at once: each time, much of the name section is read.
    """
    found = [{name: original(frames) for name, frames in sorted(group.items())} for group in groups]
    names = module.function_names({index for group in found for indices in group.values() for index in indices})
    return [
        {name: tuple(Frame(i, names.get(i)) for i in indices) for name, indices in group.items()} for group in found
    ]


def _ways(calls: Calls) -> dict[str, dict[str, tuple[RawFrame, ...]]]:
    """Where each watched function was called that did what a warning tells of, by numbers."""
    # Too many to be looked at: a way of which nothing is known is accepted by nobody.
    return {
        name: {str(number): way for number, way in enumerate(ways or [()])}
        for name, ways in sorted(calls.callers.items())
    }


def settle(
    module: Module,
    host: Host,
    calls: Calls,
    wasi: Functions,
    original: Original,
    memory: memoryview | None = None,
    stubs: Container[str] = (),
) -> HostFacts:
    """The facts about a guest that has ended and of which nothing was closed yet.

    `memory`: the one that it exports. `stubs`: imports for which one answered.
    """
    from ..result import DescriptorFacts, HostFacts

    still_open = wasi.open_descriptors()
    for _, entry in still_open:
        wasi.files.note(entry)
    ways = _ways(calls)
    opening = {str(number): entry.opened_in for number, entry in still_open}
    opened, first_calls, causes, *callers = _backtraces(
        module, [opening, calls.first, calls.causes, *ways.values()], original
    )
    return HostFacts(
        calls=dict(sorted(calls.items())),
        first_calls=first_calls,
        random_bytes=wasi.random_bytes,
        clock_reads=wasi.clock_reads[0],
        monotonic_reads=sum(wasi.clock_reads[1:]),
        environment_read="environ_sizes_get" in calls or "environ_get" in calls,
        environment=tuple(sorted(name for name, _ in host.env)) if "environ_get" in calls else (),
        arguments_read="args_sizes_get" in calls or "args_get" in calls,
        arguments=host.args if "args_get" in calls else (),
        stdin_read=wasi.stdin.was_read,
        stdin_bytes=wasi.stdin.position,
        folders=tuple(guest for _, guest in host.dirs),
        folders_listed="fd_prestat_get" in calls or "fd_prestat_dir_name" in calls,
        folders_used=tuple(
            entry.preopen.decode("utf-8", "surrogateescape") for entry in wasi.used_folders if entry.preopen is not None
        ),
        files=wasi.files.facts(),
        open_descriptors=tuple(
            DescriptorFacts(number, shown_path(entry.guest_path), opened.get(str(number), ()))
            for number, entry in still_open
            if entry.preopen is None
        ),
        functions=tuple(sorted(name for name, _ in host.functions if name in calls)),
        only_sizes=tuple(
            kind
            for kind, name, texts in (("environment", "environ", host.env), ("arguments", "args", host.args))
            if texts and f"{name}_sizes_get" in calls and f"{name}_get" not in calls
        ),
        late_folders=tuple(guest for guest, _ in host.late_folders),
        late_opened=tuple(shown_path(path) for folder in wasi.late_folders for path in folder.opened),
        late_asked=tuple(shown_path(path) for folder in wasi.late_folders for path in folder.asked),
        causes=causes,
        callers={name: tuple(found.values()) for name, found in zip(ways, callers, strict=True)},
        unflushed=unflushed(module, memory) if memory is not None else {},
        stubbed={name: number for name, number in sorted(calls.items()) if name in stubs},
    )
