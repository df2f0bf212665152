"""One build: what is to be run, with what, and what the output keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...binary.growth import Bounds, counts_together
from ...binary.late import late_places
from ...binary.module import Module
from ...binary.opcodes import MEMORY_GROW
from ...engine.bounds import bounds
from ...engine.runtime import Deadline
from ...options import Host, Options
from ...records import replaced
from ...tuples import NamedTuple
from .owners import Ownership, ownership

if TYPE_CHECKING:
    from ...symbols.stack import Stack
    from .arguments import Call
    from .entries import Entry
    from .pause import Pause

#: The first variable that a guest sees whose instance brings its own environment: libc keeps no array of none.
LATE_MARKER = ("PREINIT_LATE", "build")


#: Bytes of room that a guest makes for an instance's environment, and for its arguments, where no option says how many:
#: some keep arguments on their stack, which may be small.
ENVIRONMENT_ROOM, ARGUMENTS_ROOM = 128 << 10, 16 << 10

#: Other environments, one after the other until what a guest keeps of it lies elsewhere: how many variables they begin
#: with, in place of one, bytes of each value, and whether there is to be room for more. Without that, nearly everything
#: lies elsewhere. They are an odd number more, so that what an allocator keeps behind an array of them does not lie as
#: far from its end. Some allocators double what they have: the last one has far more than there is room for.
_LARGER = ((6, 40, False), (6, 4_000, True), (6, 80_000, True))
LARGER_STEPS = len(_LARGER)


class Job(NamedTuple):
    """A module and what is to be done with it.

    Parameters
    ----------
    calls: exports that are called after the start function.
    preloads: modules that it imports from, parsed; `preload_code`: what to compile of each.
    exports: name, kind and index of each export of the output.
    stack: the one whose dead part is zeroed in the output; None for none.
    goes_on: it is run again, and further than that: code is kept, and can be stopped.
    resumes: the module is an output.
    pause: where the guest is paused; None for the end of the last call.
    entries: functions of the output that call an export with constants.
    rooms: bytes of room that the guest makes for the environment, and for the arguments, of an instance; `honest`: the
        numbers of the calls that don't tell it of that room.
    """

    module: Module
    calls: tuple[Call, ...]
    options: Options
    preloads: Mapping[str, Module]
    preload_code: Mapping[str, bytes]
    deadline: Deadline
    exports: tuple[tuple[str, int, int], ...] = ()
    stack: Stack | None = None
    goes_on: bool = False
    resumes: bool = False
    pause: Pause | None = None
    entries: tuple[Entry, ...] = ()
    rooms: tuple[int, int] = (0, 0)
    honest: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    def in_larger_world(self, step: int) -> Job:
        """The same job, whose guest sees more environment variables, and prints nothing. `step`: which of these."""
        number, size, makes_room = _LARGER[step]
        size = max(size, self.rooms[0]) if step == LARGER_STEPS - 1 else size
        # The first one is larger, too, so that no text begins where another one does in the usual environment.
        extra = ((LATE_MARKER[0], "x" * size), *((f"{LATE_MARKER[0]}_{at}", "x" * size) for at in range(1, number)))
        host = self.options.host
        job = self.in_world(replaced(host, env=(*extra, *host.env), quiet_guest=True))
        return job if makes_room else job._replace(rooms=(0, 0))

    @property
    def interruptible(self) -> bool:
        """Whether the guest must be stopped when time is over: otherwise the process ends."""
        return self.goes_on or interruptible(self.options)

    @property
    def shares_memory(self) -> bool:
        """Whether several instances hold one shared memory: the host's, or a preloaded module's."""
        modules = (self.module, *self.preloads.values())
        return any(entry.memory and entry.memory.shared for module in modules for entry in module.imports)

    @property
    def owners(self) -> Ownership:
        """Who owns what is imported, in the output."""
        return ownership(self.module, self.options.imports)

    @property
    def bounds(self) -> Bounds:
        """What all memories and tables may have together."""
        return bounds(self.module, self.preloads, self.options.max_memory)

    @property
    def compiled_limit(self) -> int | None:
        """Bytes of memory that compiled code compares with; None where the engine alone does."""
        return self.bounds.memory if counts_together(self.module, MEMORY_GROW, self.bounds) else None

    @property
    def host(self) -> Host:
        """What the guest sees."""
        return host_of(self.options)

    def in_world(self, host: Host) -> Job:
        """The same job, whose guest sees another world."""
        return self._replace(options=replaced(self.options, host=host))


def rooms_of(module: Module, options: Options) -> tuple[int, int]:
    """Bytes of room for the environment, and for the arguments, where instances bring them: none for what the module,
    an output, fetches by itself."""
    if not options.wants_late:
        return 0, 0
    fetched = late_places(module).kinds
    sizes = (options.late_room or ENVIRONMENT_ROOM, options.late_room or ARGUMENTS_ROOM)
    environment, arguments = (
        size if kind in options.wants_late and kind not in fetched else 0
        for kind, size in zip(("env", "args"), sizes, strict=True)
    )
    return environment, arguments


def host_of(options: Options) -> Host:
    """What a guest sees that is built with these options."""
    host = options.host
    marked = "env" not in options.wants_late or any(name == LATE_MARKER[0] for name, _ in host.env)
    return host if marked else replaced(host, env=(LATE_MARKER, *host.env))


def interruptible(options: Options) -> bool:
    """Whether a build's code must be such that it can be stopped."""
    return options.timeout is not None and not options.process_ends
