"""Many copies of a module, out of a pool of the engine's: how fast they start, when they answer, what they take."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from ..binary import encoder as write
from ..binary.module import Module, SectionId, parse
from ..binary.sections import ExternKind
from ..binary.types import FuncType
from ..engine.code import CodeCache
from ..engine.copies.pool import COPY_THREAD_STACK, Copies, Copy, CopySettings
from ..engine.runtime import thread_stacks
from ..engine.validation import first_line
from ..engine.values import GuestTrapped
from ..errors import GuestTrap, UsageError
from ..host.guest import Guest, GuestEnded, NoMemory, OutOfTime, TooMuchOutput, functions
from ..options import Options
from ..passes.observer import Observer
from ..passes.parse.source import Wasm, binary
from ..passes.plan.initializers import Call
from ..passes.run.calls import Caller
from ..passes.run.profiles import ProfileStore
from .memory import usage
from .model import Many, ManyCopies
from .subject import Subject, are_components, subjects

T = TypeVar("T")

#: Rounds in which the modules take turns.
_ROUNDS = 5

#: Seconds for which copies are started in a stock engine, where each may take long.
_LONG_ENOUGH = 1.0

#: Copies that are called: a slow initializer runs in each of them.
_MOST_ANSWERS = 20

#: Copies that are kept at the same time, to see what memory they take.
_MOST_KEPT = 64

#: Seconds and bytes that a copy may take.
_PATIENCE = 600.0
_LARGEST_OUTPUT = 64 << 20

#: Of one memory of a copy, in bytes: what a 32-bit memory can have.
_MOST_MEMORY = 4 << 30

#: Copies of each module that one measurement may start.
MOST_COPIES = 10_000_000


def measure_copies(
    original: Wasm,
    output: Wasm,
    options: Options | None = None,
    *,
    copies: int = 1000,
    calls: Sequence[str] = (),
    observer: Observer | None = None,
) -> ManyCopies:
    """Starts `copies` copies of a pre-initialized module or component, of its original, and of an empty one, in turn.

    Parameters
    ----------
    original, output: bytes of a module, binary or text, or the path of a file that holds them.
    options: what the build of the output was given: which initializer, what a copy sees.
    calls: exports to call in both, as initializers are named; in copies of the original after its initializers.
    observer: told how far it is.

    Imports other than functions of WASI trap when they are called. Raises what reading, compiling and starting a
    module raise; `UsageError` for a number of copies that makes no sense.
    """
    if not 1 <= copies <= MOST_COPIES:
        raise UsageError(f"from 1 to {MOST_COPIES:,} copies can be measured, not {copies:,}")
    options, observer = options or Options(), observer or Observer()
    given = binary(original), binary(output)
    if are_components(*given):
        from .pooled_components import measure_component_copies

        return measure_component_copies(*given, options, copies, calls, observer)
    with observer.stage("reading the modules"):
        before, after = subjects(*given, options, calls)
    cache = ProfileStore(after.module, options, True).code
    empty = parse(empty_module(after.module))
    nothing = after._replace(name="empty", module=empty, wasm=empty.data, start=None, calls=())
    return _in_deep_thread(lambda: _measure([after, before, nothing], copies, bool(calls), options, cache, observer))


def empty_module(like: Module) -> bytes:
    """A module with memories as large as `like`'s, and a custom section that makes it as long; nothing else."""
    limits = [write.limits(memory) for memory in like.memories[like.imported_memories :]]
    parts = [write.section(SectionId.MEMORY, write.vector(limits))] if limits else []
    rest = len(like.data) - len(write.assemble(parts))
    filling = max(0, rest - 16)
    parts.append(write.custom_section("filling", bytes(filling)))
    return write.assemble(parts)


class _Memories:
    """A copy, as `Caller` takes it."""

    def __init__(self, copy: Copy) -> None:
        self.call = copy.call
        self._copy = copy

    def memory(self, name: str) -> memoryview:
        return self._copy.memory(name)()


class _Copied:
    def __init__(self, subject: Subject, called: bool, options: Options, cache: CodeCache | None) -> None:
        self.name = subject.name
        module = parse(subject.wasm) if subject.start else subject.module
        start = [Call(subject.start, FuncType((), ()))] if subject.start else []
        self._size = len(subject.module.data)
        self.calls = [*start, *subject.calls] if called else []
        self.seconds: list[float] = []
        self._host = options.host
        memory = module.exported("memory")
        self._has_memory = memory is not None and memory.kind == ExternKind.MEMORY
        compiler = "winch" if options.compiler == "winch" else "cranelift"
        settings = CopySettings(compiler, cache, min(options.max_memory, _MOST_MEMORY), _MOST_KEPT)
        self.copies = Copies(module, settings, functions(module))
        stock = settings._replace(interruptible=False, pooled=False, dense=False)
        #: Of the output only: compiling a large module once more takes long.
        self.stock = Copies(module, stock, functions(module)) if subject.name == "output" else None

    def close(self) -> None:
        self.copies.close()
        if self.stock:
            self.stock.close()

    def stock_per_second(self, most: int) -> float | None:
        """Copies a second in a stock engine, of at most so many, and for no longer than a second."""
        if self.stock is None:
            return None
        self.stock.start(None, _PATIENCE).close()
        started, number = time.perf_counter(), 0
        while number < most and time.perf_counter() - started < _LONG_ENOUGH:
            self.stock.start(None, _PATIENCE).close()
            number += 1
        return number / (time.perf_counter() - started)

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
            before = usage()
            for _ in range(number):
                guest = self._guest()
                kept.callback(guest.close)
                copy = kept.enter_context(self.copies.start(guest, _PATIENCE))
                if called:
                    self._call(copy, guest)
            after = usage()
        return None if before is None or after is None else max(0, after.proportional - before.proportional) // number

    def _guest(self) -> Guest:
        return Guest(self._host, time.monotonic() + _PATIENCE, _LARGEST_OUTPUT)

    def _call(self, copy: Copy, guest: Guest) -> None:
        if self._has_memory:
            guest.bind(copy.memory())
        try:
            perform = Caller(_Memories(copy), "memory")
            for call in self.calls:
                perform(call)
        except GuestEnded:
            return
        except GuestTrapped as trap:
            raise GuestTrap(f"a copy of the {self.name} trapped: {first_line(trap)}") from trap
        except (OutOfTime, TooMuchOutput, NoMemory) as problem:
            raise GuestTrap(f"a copy of the {self.name} ended: {problem.__doc__}") from problem

    def facts(self, copies: int) -> Many:
        answers = [self.answer() for _ in range(_MOST_ANSWERS)] if self.calls else []
        return Many(
            self.name,
            self._size,
            1 / statistics.median(self.seconds),
            statistics.median(answers) if answers else None,
            self.memory(False),
            self.memory(True) if self.calls else None,
            self.copies.pooled,
            self.stock_per_second(copies),
        )


def _measure(
    given: list[Subject], copies: int, called: bool, options: Options, cache: CodeCache | None, observer: Observer
) -> ManyCopies:
    copied: list[_Copied] = []
    try:
        with observer.stage("compiling the modules"):
            copied.extend(_Copied(subject, called, options, cache) for subject in given)
        with observer.stage("starting copies"):
            for one in copied:
                one.copies.start(None, _PATIENCE).close()  # the first one makes the image
            for _ in range(min(_ROUNDS, copies)):
                for one in copied:
                    one.spend(max(1, copies // _ROUNDS))
        with observer.stage("waiting for answers"):
            return ManyCopies(copies, *(one.facts(copies) for one in copied))
    finally:
        for one in copied:
            one.close()


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
