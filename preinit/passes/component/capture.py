"""What each core instance of a paused component holds: of its own state, not of what it imports."""

from __future__ import annotations

from collections.abc import Mapping

from ...binary.module import Module
from ...binary.sections import ExternKind, Mode
from ...engine.component.cores import Extern
from ...engine.component.linked import LinkedInstance
from ...engine.values import RawValue
from ...errors import PreinitError, UnsupportedState
from ...tuples import NamedTuple
from ..capture.globals import capture_globals
from ..capture.references import check_no_object, reference
from ..capture.segments import capture_segments
from ..instrument import Instrumented
from ..plan.owners import Owners
from ..snapshot import MemoryState, Reference, Snapshot, TablesState
from .run import PausedComponent
from .seen import is_adapter
from .source import ComponentSource, placed
from .tables import own_globals

_KEEP = Owners(0, "keep")

#: An entry of a shared table: a function of some instance or of the host, or null.
Fix = Extern | None


class Captured(NamedTuple):
    """`states`: of each core instance that changed; `pristine`: instances whose module stays as it is, though it
    would have run again. `fixes`: entries to write of tables that several instances share."""

    states: dict[LinkedInstance, Snapshot]
    pristine: frozenset[LinkedInstance]
    fixes: dict[Extern, dict[int, Fix]]


def capture_component(source: ComponentSource, paused: PausedComponent) -> Captured:
    """The snapshots' memories are views of the instances. Raises `UnsupportedState` for what can't be written."""
    shared = {
        table for instance in paused.cores.instances for table in instance.given if table.kind == ExternKind.TABLE
    }
    functions: Mapping[bytes, Extern] | None = None
    tables: dict[LinkedInstance, TablesState] = {}
    fixes: dict[Extern, dict[int, Fix]] = {}
    for table, (now, entries) in paused.watched.changed().items():
        owner = table.owner
        assert isinstance(owner, LinkedInstance)
        if table not in shared and all(value.kind != "func" or _own(owner, value) for value in now):
            state = tables.setdefault(owner, TablesState({}))
            state.changed[table.index] = _private(owner, table, now)
            continue
        places = set(entries)
        if len(now) != len(paused.watched.expected(table)):
            # Its module gives it the new size, and nothing else; all that it holds is written afterwards.
            tables.setdefault(owner, TablesState({})).changed[table.index] = (None,) * len(now)
            places.update(slot for slot, value in enumerate(now) if value.kind != "null")
        if functions is None:
            functions = _functions(paused)
        fixes[table] = {slot: _fix(source, table, slot, now[slot], functions) for slot in sorted(places)}
    pristine = frozenset(instance for instance in paused.cores.instances if is_adapter(instance.module))
    segments = {}
    for instance in paused.cores.instances:
        try:  # runs probes, so it comes before the views
            where = paused.instrumented[instance.base]
            segments[instance] = capture_segments(instance.module, where, instance.guest)
        except PreinitError as problem:
            raise placed(problem, source.parts[instance.base].number, 0) from None
    states = {}
    for instance in paused.cores.instances:
        if instance in pristine:
            continue
        where = paused.instrumented[instance.base]
        before, after = paused.watched.globals[instance], own_globals(instance, where)
        try:
            globals_ = capture_globals(instance.module, before, after, instance.guest, _KEEP)
        except PreinitError as problem:
            raise placed(problem, source.parts[instance.base].number, 0) from None
        state = tables.get(instance, TablesState({}))
        found = Snapshot(_memories(instance, where), globals_, state, segments[instance])
        if _has_state(instance.module, found):
            states[instance] = found
    return Captured(states, pristine, fixes)


def _has_state(module: Module, snapshot: Snapshot) -> bool:
    """Whether an instance of the module would hold, or do, anything by itself."""
    return bool(
        len(module.memories) > module.imported_memories
        or snapshot.globals.numbers
        or snapshot.globals.references
        or snapshot.tables.changed
        or snapshot.segments.dropped_data
        or snapshot.segments.dropped_elements
        or module.start is not None
        or any(segment.mode is Mode.ACTIVE for segment in module.data_segments)
    )


def _memories(instance: LinkedInstance, where: Instrumented) -> tuple[MemoryState, ...]:
    """Of imported memories nothing: whoever defines them holds what is in them."""
    module = instance.module
    found = []
    for index, limits in enumerate(module.memories):
        if index < module.imported_memories:
            found.append(MemoryState(limits.minimum, memoryview(b""), []))
            continue
        name = where.memories[index]
        content = instance.guest.memory(name)
        found.append(MemoryState(len(content) // limits.page_size, content, instance.guest.touched(name)))
    return tuple(found)


# -- tables


def _own(owner: LinkedInstance, value: RawValue) -> bool:
    """Whether its module has an index for that function."""
    return owner.guest.resolve_function(value.bits) is not None


def _private(owner: LinkedInstance, table: Extern, now: list[RawValue]) -> tuple[Reference, ...]:
    return tuple(reference(owner.guest, value, f"table {table.index}", f"element {n}") for n, value in enumerate(now))


def _functions(paused: PausedComponent) -> Mapping[bytes, Extern]:
    """Each function by the identities under which it may be seen."""
    found: dict[bytes, Extern] = {}
    for instance in paused.cores.instances:
        for pointer, index in instance.guest.functions_by_pointer().items():
            found.setdefault(pointer, instance.extern(ExternKind.FUNC, index))
    return found


def _title(source: ComponentSource, table: Extern) -> str:
    owner = table.owner
    assert isinstance(owner, LinkedInstance)
    return f"table {table.index} of core module {source.parts[owner.base].number}"


def _fix(source: ComponentSource, table: Extern, slot: int, value: RawValue, functions: Mapping[bytes, Extern]) -> Fix:
    if value.kind == "null":
        return None
    check_no_object(value, _title(source, table), f"element {slot}")
    found = functions.get(value.bits) if value.kind == "func" else None
    if found is None:
        raise UnsupportedState(
            f"{_title(source, table)} holds something that has no name in the component",
            where=f"element {slot}",
            hint="Clear that entry in the initializer.",
        )
    return found
