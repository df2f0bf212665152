"""Many copies of a module, out of a pool of the engine's: how fast they start, when they answer, what they take."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..binary import encoder as write
from ..binary.module import Module, SectionId, parse
from ..binary.sections import ExternKind
from ..binary.types import FuncType
from ..cache import default_folder, engine_configuration, usable
from ..engine.copies import COPY_THREAD_STACK, Copies, Copy, CopySettings
from ..engine.runtime import thread_stacks
from ..engine.validation import first_line
from ..engine.values import GuestTrapped
from ..errors import GuestTrap, UnknownExport, UsageError, quoted
from ..host.guest import Guest, GuestEnded, NoMemory, OutOfTime, TooMuchOutput, functions
from ..options import Host, Options
from ..supported import check_supported

T = TypeVar("T")

#: Rounds in which the modules take turns.
_ROUNDS = 5

#: Copies that are called: a slow initializer runs in each of them.
_MOST_ANSWERS = 20

#: Copies that are kept at the same time, to see what memory they take.
_MOST_KEPT = 64

#: Seconds and bytes that a copy may take.
_PATIENCE = 600.0
_LARGEST_OUTPUT = 64 << 20

#: https://docs.kernel.org/filesystems/proc.html
_ROLLUP = Path("/proc/self/smaps_rollup")


@dataclass(frozen=True)
class Many:
    """Copies of one module.

    Parameters
    ----------
    name: "snapshot", "original" or "empty".
    size: bytes of the module.
    per_second: fresh instances in a second, one after the other in one thread: started, not called, and freed.
    first_byte: seconds (median) from asking for a copy to the first byte that it prints; to the end of its calls where
        it prints nothing; None where nothing is called.
    memory: bytes that one more copy takes, before it is called; None where the operating system does not tell. Pages
        that all copies share count once for all of them.
    memory_called: the same after its calls.
    pooled: whether instances come from a pool.
    """

    name: str
    size: int
    per_second: float
    first_byte: float | None
    memory: int | None
    memory_called: int | None
    pooled: bool


@dataclass(frozen=True)
class ManyCopies:
    """A pre-initialized module, the same one without pre-initialization, and one of equal size that holds nothing."""

    copies: int
    snapshot: Many
    original: Many
    empty: Many

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def measure_copies(
    output: bytes,
    original: bytes,
    copies: int = 1000,
    *,
    calls: Sequence[str] = (),
    original_calls: Sequence[str] = (),
    host: Host | None = None,
    cache: bool = True,
) -> ManyCopies:
    """Starts `copies` copies of a pre-initialized module, of the original, and of an empty module, in turn.

    Parameters
    ----------
    output, original: binary modules.
    calls: exported functions of type () -> () that a copy of the output is to answer with.
    original_calls: what is called before those in a copy of the original: its initializers.
    host: what a copy sees; by default, nothing.
    cache: keep compiled code.

    Raises what reading, compiling and starting a module raise; `UsageError` for a number of copies below 1.
    """
    if copies < 1:
        raise UsageError("at least one copy is needed to measure anything")
    folder = default_folder() if cache else None
    folder = usable(folder) if folder else None
    configuration = engine_configuration(folder) if folder else None
    given = {
        "snapshot": (parse(output), tuple(calls)),
        "original": (parse(original), (*original_calls, *calls) if calls else ()),
    }
    given["empty"] = (parse(empty_module(given["snapshot"][0])), ())
    return _in_deep_thread(lambda: _measure(given, copies, host or Host(), configuration))


def empty_module(like: Module) -> bytes:
    """A module with memories as large as `like`'s, and a custom section that makes it as long; nothing else."""
    limits = [write.limits(memory) for memory in like.memories[like.imported_memories :]]
    parts = [write.section(SectionId.MEMORY, write.vector(limits))] if limits else []
    rest = len(like.data) - len(write.assemble(parts))
    filling = max(0, rest - 16)
    parts.append(write.custom_section("filling", bytes(filling)))
    return write.assemble(parts)


class _Subject:
    def __init__(self, name: str, module: Module, calls: Sequence[str], host: Host, cache: str | None) -> None:
        check_supported(module, Options())
        for call in calls:
            export = module.exported(call)
            wanted = FuncType((), ())
            if export is None or export.kind != ExternKind.FUNC or module.function_type(export.target) != wanted:
                raise UnknownExport(f"the {name} exports no function {quoted(call)} of type () -> ()")
        self.name = name
        self.calls = calls
        self.seconds: list[float] = []
        self._host = host
        self._module = module
        memory = module.exported("memory")
        self._has_memory = memory is not None and memory.kind == ExternKind.MEMORY
        settings = CopySettings(cache=cache, max_memory=4 << 30, at_once=_MOST_KEPT)
        self.copies = Copies(module, settings, functions(module))

    def spend(self, number: int) -> None:
        """Starts and frees that many copies, and notes how long each took on average."""
        started = time.perf_counter()
        for _ in range(number):
            self.copies.start(None, _PATIENCE).close()
        self.seconds.append((time.perf_counter() - started) / number)

    def answer(self) -> float:
        """Seconds up to a fresh copy's answer."""
        started = time.perf_counter()
        guest = self._guest()
        try:
            with self.copies.start(guest, _PATIENCE) as copy:
                self._call(copy, guest)
                ended = time.perf_counter()
            return (guest.first_byte or ended) - started
        finally:
            guest.close()

    def memory(self, called: bool) -> int | None:
        """Bytes that one more copy takes."""
        number = min(_MOST_KEPT, _MOST_ANSWERS) if called else _MOST_KEPT
        with ExitStack() as kept:
            before = _in_memory()
            for _ in range(number):
                guest = self._guest()
                kept.callback(guest.close)
                copy = kept.enter_context(self.copies.start(guest, _PATIENCE))
                if called:
                    self._call(copy, guest)
            after = _in_memory()
        return None if before is None or after is None else max(0, after - before) // number

    def _guest(self) -> Guest:
        return Guest(self._host, time.monotonic() + _PATIENCE, _LARGEST_OUTPUT)

    def _call(self, copy: Copy, guest: Guest) -> None:
        if self._has_memory:
            guest.bind(copy.memory())
        try:
            for name in self.calls:
                copy.call(name)
        except GuestEnded:
            return
        except GuestTrapped as trap:
            raise GuestTrap(f"a copy of the {self.name} trapped: {first_line(trap)}") from trap
        except (OutOfTime, TooMuchOutput, NoMemory) as problem:
            raise GuestTrap(f"a copy of the {self.name} ended: {problem.__doc__}") from problem

    def facts(self) -> Many:
        answers = [self.answer() for _ in range(_MOST_ANSWERS)] if self.calls else []
        return Many(
            self.name,
            len(self._module.data),
            1 / statistics.median(self.seconds),
            statistics.median(answers) if answers else None,
            self.memory(False),
            self.memory(True) if self.calls else None,
            self.copies.pooled,
        )


def _measure(
    given: dict[str, tuple[Module, tuple[str, ...]]], copies: int, host: Host, cache: str | None
) -> ManyCopies:
    subjects = [_Subject(name, module, calls, host, cache) for name, (module, calls) in given.items()]
    try:
        for subject in subjects:
            subject.copies.start(None, _PATIENCE).close()  # the first one makes the image
        for _ in range(min(_ROUNDS, copies)):
            for subject in subjects:
                subject.spend(max(1, copies // _ROUNDS))
        return ManyCopies(copies, *(subject.facts() for subject in subjects))
    finally:
        for subject in subjects:
            subject.copies.close()


def _in_deep_thread(function: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as problem:
            failure.append(problem)

    with thread_stacks(COPY_THREAD_STACK):
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
    thread.join()
    if failure:
        raise failure.pop()
    return outcome[0]


def _in_memory() -> int | None:
    """Bytes of pages that this process has in memory; of those that are mapped several times, each mapping's part."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB$", _ROLLUP.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) << 10 if found else None
