"""Provides the imports of a module for one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..binary.module import Module
from ..binary.sections import Export, ExternKind
from ..binary.types import I32, I64
from ..engine.instance import Linkage
from ..engine.runtime import Deadline
from ..errors import GuestTrap, OutputFlood
from ..options import Host
from ..symbols.linker import how_to_export_memory
from .imports import Generated, Given, Preloads, Provider, Wasi, link, title
from .ledger import Calls, Original, settle
from .output import Head, Output
from .preopens import preopens
from .stubs import stub_bodies
from .wasi1.abi import WasiError
from .wasi1.files import Descriptor
from .wasi1.functions import Functions
from .wasi1.memory import GuestMemory
from .wasi1.process import Clock, Fetches
from .wasi1.streams import Stream

if TYPE_CHECKING:
    from ..result import HostFacts
    from .functions import Callee, Guest, HostFunction
    from .pausing import Watch

#: Descriptors that are no files: standard input, output and error.
STREAMS = range(3)

_TYPES = {"i32": I32, "i64": I64}

#: Functions each of whose calls asks for something that a snapshot holds; of others, some calls do.
ALWAYS_ASKING = frozenset({"args_get", "args_sizes_get", "environ_get", "environ_sizes_get"})

_ENVIRONMENT = frozenset(("environ_sizes_get", "environ_get"))


class World:
    """What one guest sees, and a count of what it asked for. Close it when the guest has ended.

    `watched`: functions of which each caller is noted.
    `shown`: how many bytes of what the guest prints to leave out, since an earlier run has printed the same.
    `resumes`: the guest is an output, and gets what its host must provide: preloaded memories and tables grow to what
    it asks for; those that need not be fresh hold something. `watch`: looks out for the point where it is paused;
    `replays`: an output prints again what the guest printed before.
    Raises `UsageError` where a folder can't be opened.
    """

    def __init__(
        self,
        module: Module,
        host: Host,
        deadline: Deadline,
        import_globals: Mapping[str, str] | None = None,
        preloads: Mapping[str, Module] | None = None,
        must_be_fresh: bool = False,
        shown: int = 0,
        stubs: Sequence[tuple[str, str]] = (),
        resumes: bool = False,
        watched: frozenset[str] = frozenset(),
        functions: Mapping[str, HostFunction] | None = None,
        watch: Watch | None = None,
        replays: bool = False,
    ) -> None:
        self.watch = watch
        self.rooms: tuple[int, int] = (0, 0)
        self.honest: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self._module = module
        self._host = host
        self.deadline = deadline
        self._memory = GuestMemory(lambda: _no_memory(module))
        self._has_memory = False
        self.calls = Calls(watched)
        self._watched = watched & ALWAYS_ASKING
        bodies, given = stub_bodies(module, stubs), Given(must_be_fresh, resumes)
        if functions:
            from .functions import without_functions

            bodies = without_functions(module, functions, bodies, [name for name, _ in stubs], preloads or {})
        self._answered = {title(module.imports[at]) for at, body in bodies.items() if body is not None}
        self._preloads = Preloads(preloads or {}, given)
        self._wasi_imports = Wasi(module, host.wasi, bodies, self._wasi_function)
        self._generated = Generated(module, bodies, import_globals or {}, host.wasi, self.calls, given, watch)
        self._guest: Guest | None = None
        self._python: Provider | None = None
        if functions:
            from .functions import Guest, PythonFunctions

            self._guest = Guest(module)
            self._python = PythonFunctions(module, functions, self.calls, self._guest, watch)
        self._output = output = Output(host, shown, watch is not None, replays)
        self._provide_late: Callable[[Callable[[Export], Any]], None] | None = None
        self._functions: dict[str, Callable[..., None]] = {}
        self._wasi = Functions(
            host, self._memory, output.to_output, output.to_error, deadline.check,
            noted=self.calls.mark, here=self.calls.here,
        )  # fmt: skip
        folders = preopens(host)
        #: How many folders the guest was given, also those that only an instance has: their descriptors begin at 3.
        self.folders = len(folders)
        self._wasi.preopen(folders)

    def bind(self, memory: Callable[[], memoryview]) -> None:
        """Says where the guest's memory is: its export "memory", once there is an instance."""
        self._memory.view = memory
        self._has_memory = True

    def bind_guest(self, instance: Callee) -> None:
        """Says which instance Python functions see, and has preloaded modules that need it made. Once.

        Raises `Misfit` where it lacks what they import, and what instantiating them raises.
        """
        if self._guest is not None:
            self._guest.bind(instance, self._memory.view if self._has_memory else None)
        if self._provide_late is not None:
            self._provide_late(instance.lend)
            self._provide_late = None

    def set_clock(self, clock: Clock) -> None:
        """Other clocks than the usual ones, for a guest that has not run yet."""
        self._wasi.set_clock(clock)

    def make_room(self, rooms: tuple[int, int], honest: tuple[frozenset[int], frozenset[int]]) -> None:
        """Has a guest that has not run yet make room for that many bytes of environment, and of arguments, in addition
        to what it is given: it is told that they are larger. `honest`: the numbers of calls that tell it the truth."""
        self.rooms, self.honest = rooms, honest
        self._wasi.make_room(rooms, honest)

    def renew(self, host: Host, deadline: Deadline, earlier: tuple[bytes, int] = (b"", 0)) -> Printed:
        """A fresh world for a guest that goes on after its initializer, as an instance of the output has one.

        What was open is closed; clocks, random numbers and standard input start anew. `earlier`: another standard
        input, which is read so many times before that of `host`. Returns what the guest prints from now on; it is not
        passed on. Raises `UsageError` as the constructor does.
        """
        self._output.end()
        self._wasi.close()
        printed = Printed(host.max_guest_output)
        self.deadline = deadline
        self._wasi = Functions(host, self._memory, printed.to_output, printed.to_error, deadline.check)
        self._wasi.stdin.earlier = Stream(earlier[0]), earlier[1]
        self._wasi.preopen(preopens(host))
        self._functions.update({name: self._wasi[name] for name in self._functions})
        return printed

    def leave_out_digests(self) -> None:
        """No SHA-256 of the files that the guest will read."""
        self._wasi.files.digests = False

    def close(self) -> None:
        """Closes what is open on the host. May come while a call of the guest is under way, when time is over."""
        if self._guest is not None:
            self._guest.close()
        self._output.end()
        self._wasi.close()

    @property
    def preloads(self) -> Mapping[str, Module]:
        """The modules that some imports come from."""
        return self._preloads.modules

    @property
    def printed(self) -> int:
        """How many bytes the guest printed."""
        return self._output.total

    @property
    def input_reads(self) -> int:
        """How often the guest has read standard input, or found its end."""
        return self._wasi.stdin.reads

    @property
    def kept_output(self) -> tuple[tuple[int, bytes], ...]:
        """What a guest whose output is printed again printed before the pause, in order, and to which of the streams 1
        and 2: not all of it, where it is more than can be printed again."""
        return tuple((stream, bytes(data)) for stream, data in self._output.kept)

    @property
    def heads(self) -> tuple[Head, Head]:
        """What a guest that is paused printed before to its standard output and standard error."""
        assert self._output.heads is not None
        return self._output.heads

    def open_files(self) -> tuple[tuple[int, Descriptor], ...]:
        """What the guest has open besides its folders, by number; and its folders that it has moved."""
        moved = {to for number, to in self._wasi.moved().items() if number not in STREAMS}
        return tuple((n, entry) for n, entry in self._wasi.open_descriptors() if entry.preopen is None or n in moved)

    def unrepeatable(self) -> tuple[str, ...]:
        """What the guest has done to descriptors that no output can do again, in words."""
        return tuple(self._wasi.unrepeatable())

    def moved_streams(self) -> tuple[tuple[int, int], ...]:
        """The streams that the guest has given another number: their own numbers, and the ones that they have now."""
        return tuple((number, to) for number, to in self._wasi.moved().items() if number in STREAMS)

    def closed_numbers(self) -> tuple[int, ...]:
        """The streams and folders that the guest closed, by number."""
        return tuple(n for n in range(len(STREAMS) + self.folders) if not self._wasi.is_open(n))

    def missing(self) -> str | None:
        """What the guest looked for and was not given, with the options that give it; None if nothing."""
        host, calls = self._host, self.calls
        looked_for = (
            (
                "arguments",
                not host.args and ("args_sizes_get" in calls or "args_get" in calls),
                "--arg PROGRAM --arg VALUE",
            ),
            ("environment variables", not host.env and _ENVIRONMENT & calls.keys(), "--env NAME=VALUE"),
            ("folders", not host.dirs and "fd_prestat_get" in calls, "--dir HOST::GUEST"),
            ("standard input", not host.stdin and self._wasi.stdin.was_read, "--stdin FILE"),
        )
        nouns = [noun for noun, lacks, _ in looked_for if lacks]
        if not nouns:
            return None
        listed = " and ".join([", ".join(nouns[:-1]), nouns[-1]] if len(nouns) > 1 else nouns)
        return f"It looked for {listed}, and has none: " + " ".join(flag for _, lacks, flag in looked_for if lacks)

    def settle(self, original: Original) -> HostFacts:
        """What the guest asked for, up to now. To be called before `close`."""
        counters = self._generated.counters
        for name in {name for name, _ in counters}:  # one function may be imported under several types
            if number := sum(count() for counted, count in counters if counted == name):
                self.calls[name] = number
        memory = self._memory.view() if self._has_memory else None
        return settle(self._module, self._host, self.calls, self._wasi, original, memory, self._answered)

    @property
    def environment(self) -> Fetches:
        """Where the guest had its environment put."""
        return self._wasi.environment

    @property
    def arguments(self) -> Fetches:
        """Where the guest had its arguments put."""
        return self._wasi.arguments

    def link(self, linkage: Linkage) -> list[Any]:
        """The externs for the module's imports, in order."""
        self.calls.backtrace = linkage.backtrace
        providers = (self._preloads, self._python, self._wasi_imports, self._generated)
        externs, counted, late = link(self._module, linkage, *providers)
        functions = [n for n, entry in enumerate(self._module.imports) if entry.kind == ExternKind.FUNC]

        def name(found: Mapping[int, Any]) -> None:
            linkage.originals.update({functions.index(position): extern for position, extern in found.items()})

        def provide(lend: Callable[[Export], Any]) -> None:
            from .borrowing import link_late

            name(link_late(self._module, linkage, lend, self._preloads, self._generated, late))

        name(counted)
        self._provide_late = provide if self._preloads.late else None
        return externs

    def _wasi_function(self, name: str) -> Callable[..., int | None]:
        self._functions[name] = self._wasi[name]
        functions, calls, memory, watch = self._functions, self.calls, self._memory, self.watch
        is_watched = name in self._watched

        def call(*arguments: int) -> int:
            memory.current = None
            if watch is not None and watch.before_wasi(name, arguments, self):
                return 0
            calls[name] += 1
            if is_watched:
                calls.watch(name)
            self.deadline.check()
            try:
                functions[name](*arguments)
            except WasiError as problem:
                return problem.number
            return 0

        return call

    # -- for the watch

    def read(self, address: int, size: int) -> bytes:
        """See `pausing.Looks`."""
        try:
            return self._memory.read(address, size)
        except WasiError:
            return b""

    def directory(self, number: int) -> bytes | None:
        """See `pausing.Looks`."""
        return dict(self._wasi.open_directories()).get(number)


def memory_of(module: Module) -> int | None:
    """Index of the memory that functions of WASI find: the export "memory"; where there is none, the only memory, if it
    is imported: then whoever provides the functions made it (Emscripten's loader), and knows it."""
    exported = module.exported("memory")
    if exported is not None and exported.kind == ExternKind.MEMORY:
        return exported.target
    return 0 if len(module.memories) == module.imported_memories == 1 else None


def _no_memory(module: Module) -> memoryview:
    raise GuestTrap(
        "the initializer called WASI, but the module does not export its memory as `memory`",
        hint=f"WASI functions find the guest's memory by that export. {how_to_export_memory(module)}",
    )


class Printed:
    """What a guest printed, at most `most` bytes of it. Raises `OutputFlood` after that many."""

    def __init__(self, most: int) -> None:
        self.output = bytearray()
        self.error = bytearray()
        self._most = most

    def to_output(self, data: bytes) -> None:
        self._take(self.output, data)

    def to_error(self, data: bytes) -> None:
        self._take(self.error, data)

    def _take(self, stream: bytearray, data: bytes) -> None:
        if len(self.output) + len(self.error) + len(data) > self._most:
            raise OutputFlood(f"the guest printed more than {self._most:,} bytes")
        stream += data
