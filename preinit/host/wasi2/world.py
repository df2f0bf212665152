"""What a component sees while it is initialized, and a count of what it asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.component.handles import ResourceType
from ...engine.runtime import Deadline
from ...engine.values import RawFrame
from ...errors import Frame, GuestExit, ImportCalled, WasiRefused, printable
from ...options import Host
from ..filesread import FilesRead
from ..ledger import Calls
from ..output import Output
from ..preopens import preopens
from ..wasi1.files import Descriptor
from ..wasi1.memory import GuestMemory
from ..wasi1.process import Clock, ProcessFunctions
from ..wasi1.streams import Stream
from ..wasi1.table import Table
from .files import FileFunctions, code_of
from .names import Names, title
from .streams import InputStream, OutputStream, Pollable, StreamFunctions, stream_of_input

if TYPE_CHECKING:
    from ...result import HostFacts

_REALTIME, _MONOTONIC = 0, 1
_LATEST = (1 << 63) - 1

#: Random bytes that one call may take.
_MOST_RANDOM = 1 << 28


class ComponentWorld(Names):
    """The host of one run. Close it. Raises `UsageError` where a folder can't be opened.

    `watched`: functions, by their names in preview 1, of which each caller is noted.
    `shown`: how many bytes of what the guest prints to leave out, since an earlier run has printed the same.
    """

    def __init__(self, host: Host, deadline: Deadline, watched: frozenset[str], digests: bool, shown: int = 0) -> None:
        super().__init__()
        self._host = host
        self._deadline = deadline
        self.calls = Calls(watched)
        self._output = Output(host, shown)
        self._stdin = Stream(data=host.stdin, late=host.late_stdin)
        self._files_read = FilesRead(meanwhile=not host.writable)
        self._files_read.digests = digests
        memory = GuestMemory(lambda: memoryview(b""))
        self._process = ProcessFunctions(
            host, memory, Table((), self._files_read.note), deadline.check, self.calls.mark
        )
        self._files = FileFunctions(preopens(host), self._files_read, self.calls.mark, self._process.wall_clock)
        self._asked: set[str] = set()
        self._functions = self._table()

    def close(self) -> None:
        """Closes what is open on the host."""
        self._output.end()
        self._files.close()

    @property
    def printed(self) -> int:
        """How many bytes the guest printed."""
        return self._output.total

    # -- imports

    def function(self, interface: str, name: str) -> Callable[..., Any]:
        said = title(interface, name)
        found = self._functions.get(said) or _denied(said)
        if found is None:
            problem = ImportCalled(
                f"the initializer called the import `{printable(said)}`, which does not exist at build time",
                hint="Move the call out of the initializer, or compose the component with one that has the function "
                "(`wac plug`).",
            )
            problem.function = name
            found = _raising(problem)
        elif not self._host.wasi:
            found = _raising(WasiRefused(f"the initializer called `{said}`, and WASI is refused (--no-wasi)"))

        def call(*values: Any) -> Any:
            self.calls[said] += 1
            self._deadline.check()
            return found(*values)

        return call

    def _new_resource(self, interface: str, name: str) -> ResourceType:
        return ResourceType(name, None, self._drop)

    def _drop(self, entry: Any) -> None:
        """A resource of the host is dropped."""
        if isinstance(entry, Descriptor):
            self._files.drop(entry)
        elif isinstance(entry, InputStream | OutputStream):
            entry.close()

    def set_clock(self, clock: Clock) -> None:
        """Shows another time from now on."""
        self._process.set_clock(clock)

    def _table(self) -> dict[str, Callable[..., Any]]:
        streams = StreamFunctions(self._process, code_of)
        clocks, cli, random = "wasi:clocks/", "wasi:cli/", "wasi:random/"
        return {
            f"{cli}environment#get-environment": self._environment,
            f"{cli}environment#get-arguments": self._arguments,
            f"{cli}environment#initial-cwd": lambda: None,
            f"{cli}exit#exit": lambda status: self._exit(0 if status[0] == "ok" else 1),
            f"{cli}exit#exit-with-code": self._exit,
            f"{cli}stdin#get-stdin": lambda: stream_of_input(self._stdin, self.calls.mark),
            f"{cli}stdout#get-stdout": lambda: OutputStream(self._output.to_output),
            f"{cli}stderr#get-stderr": lambda: OutputStream(self._output.to_error),
            f"{cli}terminal-stdin#get-terminal-stdin": lambda: None,
            f"{cli}terminal-stdout#get-terminal-stdout": lambda: None,
            f"{cli}terminal-stderr#get-terminal-stderr": lambda: None,
            f"{clocks}monotonic-clock#now": lambda: self._process.read_clock(_MONOTONIC),
            f"{clocks}monotonic-clock#resolution": lambda: self._process.tick,
            f"{clocks}monotonic-clock#subscribe-instant": Pollable,
            f"{clocks}monotonic-clock#subscribe-duration": lambda wait: Pollable(
                min(self._process.now() + wait, _LATEST)
            ),
            f"{clocks}wall-clock#now": lambda: divmod(self._process.read_clock(_REALTIME), 10**9),
            f"{clocks}wall-clock#resolution": lambda: (0, 1),
            f"{random}random#get-random-bytes": self._random,
            f"{random}random#get-random-u64": self._random_number,
            f"{random}insecure#get-insecure-random-bytes": self._random,
            f"{random}insecure#get-insecure-random-u64": self._random_number,
            f"{random}insecure-seed#insecure-seed": lambda: (self._random_number(), self._random_number()),
            **streams.table(),
            **self._files.table(),
        }

    def _environment(self) -> list[tuple[str, str]]:
        self._ask("environ_get")
        return [(_text(name), _text(value)) for name, value in self._host.env]

    def _arguments(self) -> list[str]:
        self._ask("args_get")
        return [_text(value) for value in self._host.args]

    def _ask(self, name: str) -> None:
        """The guest asks for something that a snapshot may hold; `name` in preview 1."""
        self._asked.add(name)
        self.calls.mark(name)

    def _random(self, size: int) -> bytes:
        if size > _MOST_RANDOM:
            raise ImportCalled(f"the initializer asked for {size:,} random bytes at once")
        return self._process.take_random(size)

    def _random_number(self) -> int:
        return int.from_bytes(self._process.take_random(8), "little")

    def _exit(self, status: int) -> None:
        raise GuestExit(
            f"the initializer ended the program (exit code {status})",
            status=status,
            hint="An initializer must return: export a function that does." if status == 0 else None,
        )

    # -- what it asked for

    def settle(
        self,
        original: Callable[[Sequence[RawFrame]], tuple[Frame, ...]],
        starts_again: Callable[[Sequence[RawFrame]], bool],
    ) -> HostFacts:
        """What the guest asked for, up to now. To be called before `close`.

        `original`: frames as a report has them, without offsets.
        `starts_again`: whether a call was made by something that asks again in each instance.
        """
        from ...result import DescriptorFacts, HostFacts

        def places(found: dict[str, Sequence[RawFrame]]) -> dict[str, tuple[Frame, ...]]:
            return {name: original(frames) for name, frames in sorted(found.items())}

        self._files.note_open()
        # An adapter asks for its folders before it does anything else, and again in each instance. Whether the program
        # behind it has asked, too, only matters where there are some.
        asked = self.calls.causes.get("fd_prestat_get")
        listed = asked is not None and (bool(self._host.dirs) or not starts_again(asked))
        host, calls = self._host, self.calls
        return HostFacts(
            calls=dict(sorted(calls.items())),
            first_calls=places(calls.first),
            random_bytes=self._process.random.taken,
            clock_reads=self._process.clock_reads[0],
            monotonic_reads=sum(self._process.clock_reads[1:]),
            environment_read="environ_get" in self._asked,
            environment=tuple(sorted(name for name, _ in host.env)) if "environ_get" in self._asked else (),
            arguments_read="args_get" in self._asked,
            arguments=host.args if "args_get" in self._asked else (),
            stdin_read=self._stdin.was_read,
            stdin_bytes=self._stdin.position,
            folders=tuple(guest for _, guest in host.dirs),
            folders_listed=listed,
            files=self._files_read.facts(),
            open_descriptors=tuple(
                DescriptorFacts(number, entry.guest_path.decode("utf-8", "replace"))
                for number, entry in enumerate(self._files.files())
            ),
            causes=places(calls.causes),
            callers={
                name: tuple(original(way) for way in ways or [()]) for name, ways in sorted(calls.callers.items())
            },
            folders_used=tuple(sorted(path.decode("utf-8", "replace") for path in self._files.used)),
        )


def _text(given: str) -> str:
    """What components have as a string: of bytes that are not UTF-8, a mark."""
    return given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _raising(problem: ImportCalled) -> Callable[..., Any]:
    def call(*_values: Any) -> Any:
        raise problem

    return call


class _Network:
    """What `instance-network` gives: nothing can be done with it."""


def _denied(said: str) -> Callable[..., Any] | None:
    """What a function of the network answers: access is denied."""
    if said == "wasi:sockets/instance-network#instance-network":
        return lambda: _Network()
    if said.startswith("wasi:sockets/") and "#[resource-drop]" not in said:
        return lambda *_values: ("err", "access-denied")
    if said == "wasi:http/outgoing-handler#handle":
        return lambda *_values: ("err", ("HTTP-request-denied", None))
    return None
