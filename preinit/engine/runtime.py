"""The engine's settings, and the thread in which guests run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..errors import TimeLimit, Unsupported, as_limit
from ..tuples import NamedTuple
from . import ffi
from .room import check_room_to_run, has_limit

if TYPE_CHECKING:
    from .code import CodeCache

T = TypeVar("T")

#: Bytes of stack for the guest: language interpreters recurse deeply, and unoptimized code has large frames.
GUEST_STACK = 64 << 20

#: The same where a call may go through a stub: that has a frame, too.
DEEP_STACK = 2 * GUEST_STACK

#: Bytes of stack of the thread it runs in: the guest's, and room for the host functions that it calls.
THREAD_STACK = DEEP_STACK + (16 << 20)

#: Elements that each of a guest's tables may have; every one of them is looked at.
TABLE_ELEMENTS = 1_000_000

#: The engine takes limits as signed 64-bit integers.
_LARGEST = (1 << 63) - 1

#: How long to wait for a guest to notice that its time is over, in seconds; and where nothing can stop it but a call
#: of the host: what it was doing is worth a moment.
_GRACE, _MOMENT = 2.0, 0.1
#: How long a thread is waited for at once, in seconds.
_SLICE = 0.5

#: Machines on which Winch (the engine's baseline compiler) is complete.
_WINCH_MACHINES = ("x86_64", "AMD64")

#: Proposals that have to be allowed: of both compilers, and of Cranelift.
_PROPOSALS = (
    *("shared_memory", "wasm_custom_page_sizes", "wasm_multi_memory", "wasm_memory64", "wasm_wide_arithmetic"),
    "wasm_compact_imports",
)
_CRANELIFT_PROPOSALS = (
    *("wasm_tail_call", "wasm_relaxed_simd", "wasm_exceptions", "wasm_function_references", "wasm_gc"),
)

#: Of Cranelift's levels.
_NO_OPTIMIZATION = 0


class EngineSettings(NamedTuple):
    """`compiler` is "winch" or "cranelift"; `cache`: where code is kept, for what compiles modules.

    `interruptible` code checks a counter in every loop and function: it can be stopped, and compiles in 1.8 times the
    time. With `checks_bounds`, it compares each address with the memory's size: otherwise the operating system tells of
    an access out of bounds, and the engine aborts where that is in a shared memory that several instances hold.
    """

    compiler: str
    cache: CodeCache | None = None
    interruptible: bool = False
    checks_bounds: bool = False


def has_winch() -> bool:
    """Whether the baseline compiler works on this machine. Asking the engine would abort the process."""
    return ffi.machine() in _WINCH_MACHINES


def allow_proposals(config: ffi.Config, compiler: str) -> None:
    """Chooses the compiler, with every proposal that it has."""
    for name in _PROPOSALS:
        config.set(name, True)
    if compiler == "winch":
        ffi.use_winch(config)  # with winch, naming the proposals below aborts the process
    else:
        for name in _CRANELIFT_PROPOSALS:
            config.set(name, True)


def new_engine(settings: EngineSettings, stack: int = GUEST_STACK, parallel: bool = True) -> ffi.Engine:
    """An engine in which results don't depend on the CPU: canonical NaNs, deterministic relaxed SIMD.

    `stack` in bytes, at most `DEEP_STACK`. `parallel`: whether one module's functions are compiled on all cores, which
    takes longer than it saves for a few functions with the baseline compiler. Raises `Unsupported`: it isn't there.
    """
    if settings.compiler == "winch" and not has_winch():
        raise Unsupported("the compiler winch is not available on this machine", hint="Use `--compiler cranelift`.")
    config = ffi.Config()
    allow_proposals(config, settings.compiler)
    config.set("wasm_relaxed_simd_deterministic", True)
    # With winch, too: the trampolines of functions that tables and exports hold are made by cranelift all the same.
    config.set("cranelift_opt_level", _NO_OPTIMIZATION)
    config.set_flag("regalloc_algorithm", "single_pass")
    config.set("cranelift_nan_canonicalization", True)
    config.set("epoch_interruption", settings.interruptible)
    config.set("memory_init_cow", False)  # one instance: an image of its memory would never be used twice
    if os.name == "posix":  # only debuggers need it: the engine finds its frames by itself
        config.set("native_unwind_info", False)
    if settings.checks_bounds:
        ffi.check_bounds(config)
    if not parallel or _Threads.lost:
        config.set("parallel_compilation", False)
    ffi.set_stack(config, stack)
    _Threads.started = True
    return ffi.Engine(config)


class _Threads:
    """The engine's threads, on which it compiles: a process has them from the first engine on, and a copy that `fork`
    makes of it has none. It would wait for them for ever, and compiles without them."""

    started = False
    lost = False
    stack_size_lock = threading.Lock()

    @classmethod
    def forked(cls) -> None:
        cls.lost = cls.started
        cls.stack_size_lock = threading.Lock()  # who held it is not there


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Threads.forked)


def new_store(engine: ffi.Engine, max_memory: int, interruptible: bool, instances: int = 10_000) -> ffi.Store:
    """A store with limits: `max_memory` in bytes for each memory, how many `instances` of modules."""
    store = ffi.Store(engine)
    store.set_limits(memory_size=min(max_memory, _LARGEST), table_elements=TABLE_ELEMENTS, instances=instances)
    if interruptible:
        store.set_epoch_deadline(1)
    return store


class Stoppable(Protocol):
    """An engine whose code can be stopped."""

    def increment_epoch(self) -> None: ...


class Deadline:
    """Ends a guest that runs for too long. One object for one build.

    Compilation can't be interrupted. When time runs out, or on Ctrl-C, the caller goes on all the same, and leaves the
    thread behind: it ends by itself after compiling, or at the next check of interruptible code.
    """

    def __init__(self, seconds: float | None, grace: bool = True, what: str = "the build") -> None:
        self.seconds = seconds
        self._what = what
        self.grace = grace  # whether the guest can be stopped, and to wait for that
        self.doing: Callable[[], str] = str  # what is done now, in words
        self.started = time.monotonic()
        self.cancelled = False
        self._engine: Stoppable | None = None

    def watch(self, engine: Stoppable) -> None:
        """Says which engine runs the guest now."""
        self._engine = engine

    def check(self) -> None:
        """Raises `TimeLimit` once cancelled. Host functions call it, so that a guest that calls them ends too."""
        if self.cancelled:
            raise self.error()

    def check_time(self) -> None:
        """Raises `TimeLimit` once the time is over: between passes that can't be stopped."""
        if self.remaining() == 0.0:
            self.cancel()
            raise self.error()

    def error(self) -> TimeLimit:
        if self.seconds is None:  # interrupted: nobody will see it
            return TimeLimit(f"{self._what} was interrupted")
        said = f"{self._what} took longer than its time limit of {self.seconds:g} seconds"
        return TimeLimit(said, where=self.doing() or None)

    def cancel(self) -> None:
        self.cancelled = True
        if self._engine:
            self._engine.increment_epoch()

    def start(self, function: Callable[[], T]) -> Pending[T]:
        """Calls `function` in a thread with a deep stack."""
        return Pending(self, function)

    def remaining(self) -> float | None:
        """Seconds that are left, None for no limit."""
        if self.seconds is None:
            return None
        return min(max(0.0, self.started + self.seconds - time.monotonic()), threading.TIMEOUT_MAX)


class Pending(Generic[T]):
    """A function that runs in a thread of its own."""

    def __init__(self, deadline: Deadline, function: Callable[[], T]) -> None:
        self._deadline = deadline
        self._function = function
        self._outcome: list[T] = []
        self._failure: list[BaseException] = []
        self._thread = _start(self._work)

    def _work(self) -> None:
        try:
            self._outcome.append(self._function())
        except BaseException as problem:
            self._failure.append(problem)

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether it has ended, and `result` raises."""
        return self.ended and bool(self._failure)

    def _wait(self, beside: Sequence[Pending[Any]] = ()) -> None:
        """Until the thread or the time is over, or one of those `beside` has failed.

        In slices: a signal that another thread takes, or that comes right before this one waits, does not wake it, and
        an interrupt would never be seen.
        """
        while self._thread.is_alive() and (left := self._deadline.remaining()) != 0.0:
            if any(other.failed for other in beside):
                return
            self._thread.join(_SLICE if left is None else min(left, _SLICE))

    def wait_beside(self, others: Sequence[Pending[Any]]) -> None:
        """Waits until it ends, unless one of the others fails: nobody needs it then.

        It is cancelled, and may go on where nothing can stop it. Raises what that one raises.
        """
        try:
            self._wait(others)
        except KeyboardInterrupt:
            self._deadline.cancel()
            raise
        failed = next((other for other in others if other.failed), None)
        if failed and not self.ended:
            self._deadline.cancel()
            self._thread.join(_MOMENT)
            failed.result()

    def result(self) -> T:
        """What the function returns; raises what it raises, or `TimeLimit` when the time is over."""
        try:
            self._wait()
            if self._thread.is_alive():
                problem = self._deadline.error()
                self._deadline.cancel()
                self._thread.join(_GRACE if self._deadline.grace else _MOMENT)
                if self._failure and isinstance(self._failure[0], TimeLimit):
                    problem.frames, problem.cut = self._failure[0].frames, self._failure[0].cut
                    self._failure.clear()
                raise problem
        except KeyboardInterrupt:
            self._deadline.cancel()
            raise
        if self._failure:
            raise self._failure.pop()  # whoever holds the error, holds this object: it must not hold the error
        return self._outcome[0]


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Does some `work` in a thread, while something else is done: worth it for what leaves Python's lock alone.

    It is waited for in any case, but for an interrupt. Raises what the other thing raised, or what the work did. Under
    a limit of the shell, it is done first: a thread takes address space, and the engine ends the process where there is
    none left.
    """
    problems: list[BaseException] = []

    def do() -> None:
        try:
            work()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=do, name="preinit-beside", daemon=True)
    try:
        if has_limit():
            do()
        else:
            thread.start()
    except RuntimeError:  # too many threads
        do()
    try:
        yield
    except Exception:
        _join(thread)
        raise
    _join(thread)
    if problems:
        raise problems.pop()


def _join(thread: threading.Thread) -> None:
    if thread.ident is not None:  # else it was not started
        thread.join()


@contextmanager
def thread_stacks(size: int) -> Iterator[None]:
    """Threads that start inside have `size` bytes of stack: a setting of the whole process, so put back at once."""
    with _Threads.stack_size_lock:
        before = threading.stack_size(size)
        try:
            yield
        finally:
            threading.stack_size(before)


def _start(work: Callable[[], None]) -> threading.Thread:
    """Starts a thread with `THREAD_STACK` bytes of stack. Raises `SystemLimit`."""
    check_room_to_run(THREAD_STACK)
    try:
        with thread_stacks(THREAD_STACK):
            thread = threading.Thread(target=work, name="preinit-guest", daemon=True)
            thread.start()
    except RuntimeError as problem:
        raise as_limit(problem, "the guest can't be run") or problem from problem
    return thread
