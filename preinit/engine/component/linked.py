"""Core instances of a component in one store: each is compiled as a whole, or on demand.

What a function of the host raised, and the end of the time, belong to the store: a fault in one instance may show
while another one is called. The copies that run are named, so that a trap's frames tell whose they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...binary.module import Module
from ...binary.sections import ExternKind, Import
from ...binary.types import FuncType
from ...errors import Frame, InvalidModule, Unsupported
from .. import ffi
from ..backtrace import Backtraces
from ..guest import GrowthGuard, GuestCode, StateCode
from ..instance import EngineInstance
from ..ondemand.chunk import title_prefix
from ..ondemand.instance import MOST_INSTANCES, OnDemandInstance
from ..ondemand.prepared import Prepared
from ..ondemand.stubtable import as_filled
from ..runtime import Deadline, new_store
from ..values import GuestTrapped, RawFrame, RawValue, Unsuited
from ..whole import WholeInstance
from .compiled import LinkedCode, LinkedModule, UnsuitedModule
from .cores import CoreInstance, Cores, Extern
from .functions import named

#: Calls that are told where the guest was: 0.3 ms each.
_MOST_PLACES = 2_000


class _Frames:
    """Whose functions the frames of a trap are. `on_demand`: the instances that are compiled on demand, by where their
    modules begin."""

    def __init__(self, modules: Mapping[int, LinkedModule]) -> None:
        self._modules = {str(module.number): module for module in modules.values()}
        states = [module for module in modules.values() if isinstance(module.code, StateCode)]
        self._by_prefix = {title_prefix(module.code.original): module for module in states}
        self.on_demand: dict[int, LinkedOnDemand] = {}

    def module(self, frame: RawFrame) -> LinkedModule | None:
        name = frame.module or ""
        return self._modules.get(name) or self._by_prefix.get(name[: name.rfind(":") + 1])

    def original(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """With offsets of the component's file."""
        found: list[Frame] = []
        for frame in frames:
            module = self.module(frame)
            if module is None:
                continue
            own: tuple[Frame, ...] = ()
            if isinstance(module.code, GuestCode):
                own = module.code.original_frames([frame])
            elif module.base in self.on_demand:
                own = self.on_demand[module.base].own_frames([frame])
            for one in own:
                found.append(one._replace(offset=None if one.offset is None else one.offset + module.base))
        return tuple(found)

    def function(self, frame: RawFrame) -> tuple[Module, int] | None:
        """A module, and the index in it of the function that a frame is of; None for what is none of its own."""
        module = self.module(frame)
        if module is None:
            return None
        found: Sequence[int] = ()
        if isinstance(module.code, GuestCode):
            found = module.code.original_functions([frame])
        elif module.base in self.on_demand:
            found = self.on_demand[module.base].original_functions([frame])
        return (module.code.original, found[0]) if found else None

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        module = self.module(frames[0]) if frames else None
        if module is not None and isinstance(module.code, GuestCode):
            return module.code.guard_of(frames)
        # A guard says by itself what it guards.
        return next((guest.own_guard(frames) for guest in self.on_demand.values()), None)


class LinkedGuest(WholeInstance):
    """One core instance, seen as any other instance."""

    def __init__(
        self,
        code: GuestCode,
        store: ffi.Store,
        module: ffi.Module,
        externs: Sequence[Any],
        deadline: Deadline,
        functions: ffi.HostFunctions,
        frames: _Frames,
    ) -> None:
        self._frames = frames
        self._names = {(export.kind, export.target): export.name for export in code.original.exports}
        super().__init__(code, store, module, {}, lambda _linkage: externs, deadline, functions)

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        return self._frames.original(frames)

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        return self._frames.guard_of(frames)

    def raw(self, kind: ExternKind, index: int) -> Any:
        """The engine's extern of something that it exports."""
        return self._export(self._names[kind, index])

    def functions_by_pointer(self) -> dict[bytes, int]:
        """The functions that references in this instance can name, by identity; their index."""
        return self._functions_by_pointer


class LinkedOnDemand(OnDemandInstance):
    """The same, compiled on demand."""

    _tells_imports_apart = True  # what counts is which function of which instance it is

    def __init__(
        self,
        prepared: Prepared,
        store: ffi.Store,
        max_memory: int,
        externs: Sequence[Any],
        deadline: Deadline,
        functions: ffi.HostFunctions,
        frames: _Frames,
        start: int,
    ) -> None:
        self._frames = frames
        self._start = start
        frames.on_demand[start] = self
        try:
            super().__init__(prepared, store, max_memory, lambda _linkage: externs, deadline, functions)
        except Unsuited as problem:
            raise UnsuitedModule(problem, start) from problem

    def _title_prefix(self) -> str:
        return title_prefix(self._module)

    def _load(self, function: int) -> None:
        try:
            super()._load(function)
        except UnsuitedModule:
            raise  # of another module, whose function took the place of one of this
        except Unsuited as problem:
            raise UnsuitedModule(problem, self._start) from problem

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        return self._frames.original(frames)

    def own_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """Of its own functions, with offsets of its module."""
        return super().original_frames(frames)

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        return self._frames.guard_of(frames)

    def own_guard(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        """If one of its own guards trapped."""
        return super().guard_of(frames)

    def raw(self, kind: ExternKind, index: int) -> Any:
        """The engine's extern of something: of a function a stub, until it is compiled."""
        if kind == ExternKind.FUNC:
            return self._extern(index)
        code = self._code
        names = {
            ExternKind.TABLE: code.tables,
            ExternKind.MEMORY: code.memories,
            ExternKind.GLOBAL: code.globals,
            ExternKind.TAG: code.tags,
        }
        return self._export(names[kind][index])

    def prepare(self, functions: Iterable[int]) -> None:
        """Makes the stubs of functions that `raw` will be asked for, at once."""
        first = self._module.imported_functions
        own = dict.fromkeys(function for function in functions if function >= first)
        self._stubs.prepare([function for function in own if function not in self._loaded])

    def functions_by_pointer(self) -> dict[bytes, int]:
        """The functions that references can name, by identity; their index."""
        return self._functions_by_pointer

    def table_values(self, name: str, places: range | None = None) -> list[RawValue]:
        """As they are now: functions of several instances may have taken the place of stubs, see `Linked.as_filled`."""
        return EngineInstance.table_values(self, name, places)

    @property
    def replaced(self) -> Mapping[bytes, RawValue]:
        """What took the place of one of its stubs in a table -> the stub."""
        return self._stubs.replaced


class LinkedInstance(CoreInstance):
    """A core instance that runs. `base`: where its module begins in the file."""

    def __init__(
        self, number: int, module: Module, given: Sequence[Extern], guest: LinkedGuest | LinkedOnDemand, base: int
    ) -> None:
        super().__init__(number, module, given)
        self.guest = guest
        self.base = base

    def raw(self, kind: ExternKind, index: int) -> Any:
        return self.guest.raw(kind, index)


class Watcher:
    """Is told of core instances as they are made."""

    def before(self, module: Module, given: Sequence[Extern]) -> None:
        """One is about to be made."""

    def made(self, instance: LinkedInstance) -> None:
        """One is there: its segments are applied, its start function did not run."""

    def started(self, instance: LinkedInstance) -> None:
        """Its start function, which it has, ran."""


class Linked(Cores):
    """Runs the core instances of one component. Close it."""

    def __init__(self, code: LinkedCode, max_memory: int, interruptible: bool, deadline: Deadline) -> None:
        self.watcher = Watcher()
        self._code = code
        self._max_memory = max_memory
        self._deadline = deadline
        deadline.watch(code.engine)
        self._store = new_store(code.engine, max_memory, interruptible, MOST_INSTANCES)
        deadline.check()
        self._functions = ffi.HostFunctions(self._store)
        self._frames = _Frames(code.modules)
        self._backtrace = Backtraces(self._store)
        self._places = 0
        self.instances: list[LinkedInstance] = []

    def instantiate(self, start: int, lookup: Callable[[Import], Extern]) -> CoreInstance:
        linked = self._code.modules[start]
        module = linked.code.original
        given = [lookup(entry) for entry in module.imports]
        self.watcher.before(module, given)
        self._prepare(given)
        externs = [
            extern.raw(module.types.functions[entry.type_index] if entry.kind == ExternKind.FUNC else None)
            for extern, entry in zip(given, module.imports, strict=True)
        ]
        given_them = (externs, self._deadline, self._functions, self._frames)
        guest: LinkedGuest | LinkedOnDemand
        if isinstance(linked.code, GuestCode):
            guest = LinkedGuest(linked.code, self._store, self._code.compiled[start], *given_them)
        else:
            guest = LinkedOnDemand(self._code.prepared[start], self._store, self._max_memory, *given_them, start)
        made = LinkedInstance(len(self.instances), module, given, guest, start)
        self.instances.append(made)
        self.watcher.made(made)
        if linked.start:
            guest.call(linked.start, (), 0)
            self.watcher.started(made)
        return made

    def _prepare(self, given: Sequence[Extern]) -> None:
        """Makes the stubs of functions of other instances that this one is given."""
        wanted: defaultdict[LinkedOnDemand, list[int]] = defaultdict(list)
        for extern in given:
            if extern.kind == ExternKind.FUNC and not extern.is_made and isinstance(extern.owner, LinkedInstance):
                guest = extern.owner.guest
                if isinstance(guest, LinkedOnDemand):
                    wanted[guest].append(extern.index)
        for guest, functions in wanted.items():
            guest.prepare(functions)

    def define(self, signature: FuncType, function: Callable[..., int | None]) -> Any:
        parameters, results = named(signature.params), named(signature.results)
        if parameters is None or results is None or len(results) > 1:
            raise Unsupported(
                f"the component gives a core module a function of type {signature} that is none of its own"
            )
        return self._functions.define(parameters, results, function)

    def memory(self, extern: Extern) -> Callable[[], memoryview]:
        return ffi.memory_reader(self._store, extern.raw())

    def call(self, extern: Extern, arguments: Sequence[int], results: int) -> list[int]:
        self._functions.raised = None
        self._deadline.check()
        given = [bits.to_bytes(16, "little") for bits in arguments]
        try:
            found = ffi.call(self._store, extern.raw(), given, results)
        except GuestTrapped as trap:
            guests = (*self._frames.on_demand.values(), *(instance.guest for instance in self.instances))
            guest = next(iter(guests), None)
            if guest is None:
                raise self._functions.raised or InvalidModule("the component has no core instance") from trap
            raise guest.explained(trap) from trap
        return [int.from_bytes(bits[:8], "little") for bits in found]

    def as_filled(self, values: list[RawValue]) -> list[RawValue]:
        """Entries of a table, in which a function has one identity, however much of it was compiled since."""
        replaced: dict[bytes, RawValue] = {}
        for guest in self._frames.on_demand.values():
            replaced |= guest.replaced
        return as_filled(values, replaced)

    @property
    def on_demand(self) -> Mapping[int, LinkedOnDemand]:
        """The guests that are compiled on demand, by where their modules begin."""
        return self._frames.on_demand

    def backtrace(self) -> tuple[RawFrame, ...]:
        """Where the guest is, in a function of the host that it called."""
        return self._backtrace()

    def where(self) -> object:
        self._places += 1
        return self._backtrace() if self._places <= _MOST_PLACES else None

    def function_of(self, frame: RawFrame) -> tuple[Module, int] | None:
        """Whose function a frame is of, and its index there; None for what is none of a core module's own."""
        return self._frames.function(frame)

    def module_of(self, frame: RawFrame) -> LinkedModule | None:
        """Whose function a frame is."""
        return self._frames.module(frame)

    def close(self) -> None:
        """Frees all memories: no view of them may be used any more."""
        for guest in self.on_demand.values():
            guest.rest()
        self._store.close()
        self._functions.close()
