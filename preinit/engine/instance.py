"""What instances have in common, however their code came to be compiled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..binary.module import Module
from ..binary.sections import Export
from ..binary.types import FuncType
from ..errors import Frame, GrowthRefused, GuestTrap, PreinitError, StackExhausted, UncaughtException
from . import ffi
from .backtrace import Backtraces
from .guest import ActiveData, GrowthGuard
from .pages import prefer_large, touched_extents
from .runtime import TABLE_ELEMENTS, Deadline
from .tables import table_values
from .validation import first_line
from .values import ENGINE_FRAMES, GuestTrapped, RawFrame, RawValue

if TYPE_CHECKING:
    from .profile import Profile

_STACK_OVERFLOW = ffi.STACK_OVERFLOW
_OUT_OF_BOUNDS = (ffi.MEMORY_OUT_OF_BOUNDS, ffi.TABLE_OUT_OF_BOUNDS)
_UNREACHABLE = ffi.UNREACHABLE
#: What the engine says where a limit ends its heap: there is no code for it.
_HEAP_IS_FULL = "GC heap out of memory"


class Linkage:
    """What a host can use to provide the imports of one instance."""

    def __init__(self, store: ffi.Store, functions: ffi.HostFunctions, preloads: Mapping[str, ffi.Module]) -> None:
        self._store = store
        self._functions = functions
        self._preloads = preloads
        #: Where the guest is, in a host function that it called.
        self.backtrace = Backtraces(store)
        #: Index of an imported function -> the extern that it stands for, if the guest is given another in its place.
        self.originals: dict[int, Any] = {}
        #: Indices of functions, and the references to them that modules have which import them.
        self.references: list[tuple[int, Any]] = []

    def define(self, parameters: Sequence[str], results: Sequence[str], function: ffi.HostFunction) -> Any:
        """An extern that calls `function` with unsigned 64-bit integers, bits for "f32" and "f64"."""
        return self._functions.define(parameters, results, function)

    def provider(self, wasm: bytes, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """The exports `names` of a fresh instance of a module that preinit generated."""
        return self._exports(ffi.compile_module(self._store.engine, wasm), externs, names)

    def preload(self, name: str, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """The exports `names` of an instance of the preloaded module `name`."""
        return self._exports(self._preloads[name], externs, names)

    def set_function(self, table: Any, index: int, function: Any) -> None:
        """Puts a function into a table of functions."""
        ffi.set_function(self._store, table, index, function)

    def number(self, extern: Any) -> Callable[[], int]:
        """What reads a global of type i64. Valid as the store is."""
        return lambda: int.from_bytes(ffi.global_value(self._store, extern, 8).bits, "little")

    def in_use(self, extern: Any, is_table: bool) -> bool:
        """Whether a memory or table holds anything but zeros or null."""
        if is_table:
            return any(value.kind != "null" for value in ffi.table_values(self._store, extern))
        content = ffi.memory_view(self._store, extern)
        parts = (content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20))
        return any(part.tobytes().strip(b"\0") for part in parts)

    def grow(self, extern: Any, is_table: bool, size: int, page_size: int = 1) -> None:
        """Makes a memory, or a table of functions, at least `size` pages or elements large."""
        if is_table:
            now = ffi.table_size(self._store, extern)
        else:
            now = ffi.memory_place(self._store, extern)[1] // page_size
        if now < size:
            ffi.grow(self._store, extern, is_table, size - now)

    def fill(self, extern: Any, function: Any | None = None) -> None:
        """Fills a memory with bytes that are not zero, or a table with `function`."""
        if function is not None:
            for index in range(ffi.table_size(self._store, extern)):
                ffi.set_function(self._store, extern, index, function)
            return
        content = ffi.memory_view(self._store, extern)
        for at in range(0, len(content), 1 << 20):
            part = content[at : at + (1 << 20)]
            part[:] = b"\xa5" * len(part)

    def _exports(self, module: ffi.Module, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        instance = ffi.instantiate(self._store, module, externs)
        return [ffi.export(self._store, instance, name) for name in names]


#: Gives the externs for a module's imports, in their order.
Linker = Callable[[Linkage], Sequence[Any]]


class EngineInstance(ABC):
    """An instance of which all state is exported under known names. See `guest.Instance`."""

    def __init__(
        self,
        store: ffi.Store,
        deadline: Deadline,
        original: Module,
        preloads: Collection[str],
        functions: ffi.HostFunctions | None = None,
    ) -> None:
        """`functions`: those of the store, where it has several instances."""
        self._store = store
        self._original = original
        self._preloads = preloads
        self._given: Sequence[Any] = ()  # the externs of the original's imports
        self._deadline = deadline
        self._functions = functions or ffi.HostFunctions(store)
        self._functions.stop_when(lambda: self._deadline.error() if self._deadline.cancelled else None)
        self._externs: dict[str, Any] = {}
        self._types: dict[bytes, FuncType | None] = {}  # by a function's identity
        self._readers: dict[str, Callable[[], memoryview]] = {}
        self._instance: Any = None
        self.active = 0

    @abstractmethod
    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """The frames that are the guest's own, with names and offsets of the original file."""

    @abstractmethod
    def original_functions(self, frames: Sequence[RawFrame]) -> list[int]:
        """See `guest.Instance`."""

    @abstractmethod
    def _modules(self) -> tuple[Sequence[ffi.Module], Callable[[int, int], int | None]]:
        """All modules whose functions may be on the stack and are no stubs.

        And what gives the original's function for the number of such a module, and an index among those it defines.
        """

    def stack(self) -> list[int | None]:
        """See `guest.Instance`."""
        from .ffi.stack import stack

        modules, function_of = self._modules()
        return [function_of(*frame) for frame in stack(self._store, modules)]

    def set_host_function(self, name: str, index: int, function: Callable[[], None]) -> None:
        """See `guest.Instance`."""
        ffi.set_function(self._store, self._export(name), index, self._functions.define((), (), function))

    def lend(self, export: Export) -> Any:
        """See `guest.Instance`."""
        return self._export(export.name)

    @abstractmethod
    def compiled(self) -> tuple[int, int, int]:
        """See `guest.Instance`."""

    def reused(self) -> int:
        """See `guest.Instance`."""
        return 0

    def profile(self) -> Profile | None:
        """See `guest.Instance`."""
        return None

    @abstractmethod
    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        """The guard that trapped, if the innermost frame is one."""

    def set_deadline(self, deadline: Deadline) -> None:
        """See `guest.Instance`."""
        self._deadline = deadline

    def close(self) -> None:
        """Frees it at once, memories included: no view of them may be used any more."""
        self._store.close()
        self._functions.close()

    def _function(self, name: str) -> Any:
        return self._export(name)

    def _export(self, name: str) -> Any:
        extern = self._externs.get(name)
        if extern is None:
            extern = self._externs[name] = ffi.export(self._store, self._instance, name)
        return extern

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        self._functions.raised = None
        self._deadline.check()
        return self.call_function(self._function(name), arguments, results)

    def table_function(self, export: Export, index: int) -> Any:
        """See `guest.Instance`."""
        return ffi.function_at(self._store, self.lend(export), index)

    def type_of(self, function: Any) -> FuncType | None:
        """See `guest.Instance`."""
        pointer = ffi.function_pointer(function) or b""
        if pointer not in self._types:
            index = self.resolve_function(pointer)
            self._types[pointer] = None if index is None else self._original.function_type(index)
        return self._types[pointer]

    def call_function(self, function: Any, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """See `guest.Instance`."""
        self._functions.raised = None
        self._deadline.check()
        self.active += 1
        try:
            returned = ffi.call(self._store, function, arguments, results)
        except GuestTrapped as trap:
            problem = self.explained(trap)
            self._functions.raised = None  # a function of the host that called this may catch it, and return
            raise problem from trap
        finally:
            self.active -= 1
        if self._functions.raised is not None:  # there was no stack left to make a trap of it
            raise self._functions.raised
        return returned

    def explained(self, trap: GuestTrapped) -> BaseException:
        """The error for a trap: what a function of the host raised, or what the guest did."""
        raised = self._functions.raised
        if raised is not None and not isinstance(raised, PreinitError):
            return raised
        problem = self._problem(trap, raised, self.original_frames(trap.frames))
        problem.cut = len(trap.frames) >= ENGINE_FRAMES
        return problem

    def _problem(self, trap: GuestTrapped, raised: PreinitError | None, frames: tuple[Frame, ...]) -> PreinitError:
        if raised is not None:
            raised.frames = raised.frames or frames
            return raised
        guard = self.guard_of(trap.frames)
        if guard and trap.code == _UNREACHABLE:
            return GrowthRefused(
                f"{guard.kind} {guard.target} could not grow; the guest would have gone on with what it had",
                frames=frames,
                hint=None
                if guard.kind == "memory"
                else f"Make the initializer's tables smaller: together, they may have {TABLE_ELEMENTS:,} elements.",
            )
        if trap.code == _STACK_OVERFLOW:
            return StackExhausted("the initializer exhausted the guest's stack", frames=frames)
        if ffi.takes_exception(self._store) or trap.code == ffi.UNCAUGHT_EXCEPTION:
            return UncaughtException("an exception left the initializer", frames=frames)
        message = first_line(trap)
        if message.startswith(_HEAP_IS_FULL):
            return GrowthRefused(
                f"the heap that holds the guest's objects could not grow: {message}",
                frames=frames,
                hint="Raise the limit with `--max-memory`: that heap may have as much as all memories.",
            )
        return GuestTrap(f"the initializer trapped: {message}", frames=frames)

    def _instantiation_trap(self, message: str) -> GuestTrap:
        """The error for a trap before any code ran, for which the engine has that message."""
        from .segments import instantiation_trap

        return instantiation_trap(self._original, self._store, self._given, self._preloads, message)

    def _write_data(self, original: bytes, segments: Sequence[ActiveData]) -> None:
        """Does what active data segments do. Raises `GuestTrap` where one does not fit."""
        view = memoryview(original)
        for name, of_one in groupby(segments, key=attrgetter("memory")):
            memory = self.memory(name)
            size = len(memory)
            ordered = list(of_one)
            self._expect(name, ordered)
            for _, offset, start, end in ordered:
                last = offset + end - start
                if last > size:
                    raise self._instantiation_trap("out of bounds memory access")
                if end > start:  # an empty memory can't be written to, not even nothing
                    memory[offset:last] = view[start:end]

    def _expect(self, name: str, segments: Sequence[ActiveData]) -> None:
        """Makes ready for segments that fill most of what lies between the first and the last of them."""
        (_, offset, start, _), (_, last, begins, end) = segments[0], segments[-1]
        address, size = ffi.memory_place(self._store, self._export(name))
        span = last + end - begins - offset
        if 0 < span <= min(size - offset, 2 * (end - start)):
            prefer_large(address + offset, span)

    def memory(self, name: str) -> memoryview:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = ffi.memory_reader(self._store, self._export(name))
        return reader()

    def touched(self, name: str) -> list[tuple[int, int]] | None:
        return touched_extents(*ffi.memory_place(self._store, self._export(name)))

    def global_value(self, name: str, size: int) -> RawValue:
        return ffi.global_value(self._store, self._export(name), size)

    def set_integer(self, name: str, number: int, size: int) -> None:
        """See `guest.Instance`."""
        ffi.set_integer(self._store, self._export(name), number, size)

    def table_values(self, name: str, places: range | None = None) -> list[RawValue]:
        return table_values(self._store, self._export(name), places)

    def before_tables_change(self, look: Callable[[], None]) -> None:
        """See `guest.Instance`."""
        look()

    @abstractmethod
    def resolve_function(self, pointer: bytes) -> int | None:
        """See `guest.Instance`."""

    def traps(self, name: str) -> bool:
        try:
            ffi.call(self._store, self._function(name), (), 0)
        except GuestTrapped as trap:
            if trap.code not in _OUT_OF_BOUNDS:
                raise self.explained(trap) from trap
            return True
        return False
