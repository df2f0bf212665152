"""Many copies of one module: compiled and linked once, a fresh instance for each request.

Instances come from a pool of address space, and their memories start as copy-on-write images of the data segments: a
copy takes microseconds, and pages that it does not write are shared by all of them.
"""

from __future__ import annotations

import mmap
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...errors import InputError, Unsupported
from ...tuples import NamedTuple
from .. import ffi
from ..code import CodeCache, compile_module
from ..ffi.copies import LinkedModule, Pool, SharedFunctions, trap_unknown_imports, use_pool
from ..runtime import TABLE_ELEMENTS, allow_proposals, has_winch
from ..validation import REFUSALS, check, first_line, link_problem
from ..values import EngineError
from .dense import dense
from .ticker import LONGEST as LONGEST
from .ticker import Ticker

#: Bytes of stack for a copy, and of the thread that calls it: with room for functions of the host.
COPY_STACK = 16 << 20
COPY_THREAD_STACK = COPY_STACK + (8 << 20)

#: Address space of a 32-bit memory in the pool: all that code can name without a check, and pages after it that trap.
_RESERVATION = (4 << 30) + (64 << 20)
_PAGE = 1 << 16

#: Of one entry of a table.
_ELEMENT = 8


class HostImport(NamedTuple):
    """A function of the host: types ("i32", "i64") of its parameters and results, and what is called.

    That takes the copy's guest, then unsigned 64-bit integers, and returns its result or None.
    """

    parameters: Sequence[str]
    results: Sequence[str]
    function: Callable[..., int | None]


class CopySettings(NamedTuple):
    """How to run copies.

    Parameters
    ----------
    compiler: "cranelift" or "winch".
    cache: where compiled code is kept; None for nowhere.
    max_memory: bytes that each memory of a copy may have.
    at_once: copies that may exist at the same time.
    interruptible: whether copies can be given a time limit: their code checks a counter in every loop and function.
    pooled: whether to set address space aside for all of them beforehand, where that is possible.
    dense: whether the engine is given the data so that it maps it, see `dense`, or as the module has it.
    """

    compiler: str = "cranelift"
    cache: CodeCache | None = None
    max_memory: int = 1 << 30
    at_once: int = 16
    interruptible: bool = True
    pooled: bool = True
    dense: bool = True


class Copies:
    """A compiled module, and its fresh instances. Any thread may start one; its calls need `COPY_THREAD_STACK`.

    Parameters
    ----------
    module: it must be one that `supported.check_supported` lets pass.
    settings: see there.
    functions: `(module, name)` of an import -> the function of the host. Other imported functions trap.

    Raises `InvalidModule`, `Unsupported` where the engine refuses the module, or where an import is not a function.
    """

    def __init__(
        self,
        module: Module,
        settings: CopySettings,
        functions: Mapping[tuple[str, str], HostImport] | None = None,
    ) -> None:
        if settings.compiler == "winch" and not has_winch():
            raise Unsupported("the compiler winch is not available on this machine", hint="Use `--compiler cranelift`.")
        self.module = module
        self.settings = settings
        pool = _pool(module, settings)
        #: Whether address space was set aside.
        self.pooled = pool is not None
        self._engine = ffi.Engine(_config(settings, pool))
        try:
            told = (settings._replace(cache=None), pool)
            self._code = compile_module(
                self._engine, dense(module) if settings.dense else module.data, told, settings.cache
            )
        except EngineError as problem:
            raise _refusal(module, problem) from problem
        self._running = threading.local()
        self._linker = ffi.Linker(self._engine)
        self._functions = SharedFunctions(self._linker, self._note)
        wanted = {(entry.module, entry.name) for entry in module.imports if entry.kind == ExternKind.FUNC}
        for (of, name), host in (functions or {}).items():
            if (of, name) in wanted:
                self._functions.define(of, name, host.parameters, host.results, self._bound(host.function))
        try:
            trap_unknown_imports(self._linker, self._code)
            self._linked = LinkedModule(self._linker, self._code)
        except EngineError as problem:
            raise Unsupported(
                f"the module can't be linked: {first_line(problem)}",
                hint="A copy is given functions only; it must define its memories, tables and globals.",
            ) from problem
        self._ticker = Ticker(self._engine) if settings.interruptible else None

    def start(self, guest: object = None, seconds: float = LONGEST) -> Copy:
        """A fresh instance; its start function has run, if it has one.

        Parameters
        ----------
        guest: what functions of the host are given, for calls of this copy.
        seconds: how long the copy may run from now on, at most `LONGEST`, where copies are interruptible.

        Raises `MemoryLimit`, `Unsupported` where there is no room for it, `GuestTrapped` where starting it traps.
        """
        return Copy(self, guest, seconds)

    def close(self) -> None:
        """Lets go of the engine. Copies that are running stop soon."""
        if self._ticker:
            self._ticker.close()
        self._linked.close()

    def stop(self) -> None:
        """Ends what is running in copies now, as if their time were over."""
        if self._ticker:
            self._ticker.skip()

    def _note(self, problem: BaseException) -> None:
        self._running.raised = problem

    def _bound(self, function: Callable[..., int | None]) -> Callable[..., int | None]:
        running = self._running

        def call(*arguments: int) -> int | None:
            return function(running.guest, *arguments)

        return call


class Copy:
    """A fresh instance. Close it: until then its memory is taken. One thread at a time."""

    def __init__(self, copies: Copies, guest: object, seconds: float) -> None:
        self._copies = copies
        self._guest = guest
        self._externs: dict[str, Any] = {}
        settings = copies.settings
        self._store: ffi.Store = ffi.Store(copies._engine)
        ticker = copies._ticker
        ticks = ticker.enter(seconds) if ticker else 0
        self._open = True
        try:
            self._store.set_limits(memory_size=settings.max_memory, table_elements=TABLE_ELEMENTS)
            if ticker:
                self._store.set_epoch_deadline(ticks)
            self._instance = self._run(lambda: copies._linked.instantiate(self._store))
        except EngineError as problem:
            self.close()
            raise link_problem(problem) from problem
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Frees it: no view of its memory may be used any more."""
        if self._open:
            self._open = False
            self._store.close()
            self._guest = None
            if self._copies._ticker:
                self._copies._ticker.leave()

    def call(self, name: str, arguments: Sequence[bytes] = (), results: int = 0) -> list[bytes]:
        """Calls an exported function with raw values of 16 bytes each, as many as it takes; its raw results.

        Raises `GuestTrapped` for a trap (with code `INTERRUPT` when time is over), and what a function of the host
        raised.
        """
        function = self._export(name)
        running = self._copies._running

        def ended() -> bool:
            return running.raised is not None

        returned: list[bytes] = self._run(lambda: ffi.call(self._store, function, arguments, results, ended))
        return returned

    def memory(self, name: str = "memory") -> Callable[[], memoryview]:
        """What gives an exported memory as it is now, writable."""
        return ffi.memory_reader(self._store, self._export(name))

    def _export(self, name: str) -> Any:
        extern = self._externs.get(name)
        if extern is None:
            extern = self._externs[name] = ffi.export(self._store, self._instance, name)
        return extern

    def _run(self, enter: Callable[[], Any]) -> Any:
        running = self._copies._running
        before = getattr(running, "guest", None)
        running.guest, running.raised = self._guest, None
        try:
            return enter()
        except Exception:
            raised, running.raised = running.raised, None
            if raised is None:
                raise
            try:
                raise raised from None
            finally:
                del raised  # it knows this frame: the two would keep the guest until cycles are collected
        finally:
            running.guest = before


def _config(settings: CopySettings, pool: Pool | None) -> ffi.Config:
    config = ffi.Config()
    allow_proposals(config, settings.compiler)
    config.set("epoch_interruption", settings.interruptible)
    ffi.set_stack(config, COPY_STACK)
    if pool:
        use_pool(config, pool)
    return config


def _pool(module: Module, settings: CopySettings) -> Pool | None:
    """The pool for a module; None where it can't have one."""
    if not settings.pooled or any(memory.shared for memory in module.memories):
        return None
    elements = max((0, *(table.limits.minimum for table in module.tables)))
    needs = CopyNeeds(1, len(module.memories), len(module.tables), elements)
    return pool_for(needs, settings.at_once, settings.max_memory)


class CopyNeeds(NamedTuple):
    """What a copy has: so many core instances, memories and tables; the elements that its largest table starts with."""

    instances: int
    memories: int
    tables: int
    elements: int


def pool_for(needs: CopyNeeds, at_once: int, max_memory: int) -> Pool | None:
    """The pool for so many copies at once, each memory of at most `max_memory` bytes; None where there is no room.

    The engine aborts on a pool that does not fit.
    """
    memories, tables = max(1, needs.memories), max(1, needs.tables)
    elements = max(TABLE_ELEMENTS, needs.elements)
    size = -(-max_memory // _PAGE) * _PAGE
    # One memory more for each instance, where the engine keeps objects of its heap.
    slot = max(_RESERVATION, size + (64 << 20))
    total = at_once * (memories + needs.instances)
    if not _has_room(total * slot + at_once * tables * elements * _ELEMENT):
        return None
    return Pool(at_once * needs.instances, total, at_once * tables, size, elements, at_once)


def _has_room(size: int) -> bool:
    """Whether the process may have that much more address space, which a limit or a container may forbid."""
    if sys.platform != "linux":
        return size < 1 << 40
    try:
        with mmap.mmap(-1, size + (1 << 30), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 0):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _refusal(module: Module, problem: EngineError) -> InputError:
    try:
        check(module.data)
    except REFUSALS as original:
        return original
    return Unsupported(f"the engine refuses the module: {first_line(problem)}")
