"""Which parts of a component's snapshot depend on the world: its initializer runs again in others, and what each core
instance holds is compared. Only places are told, never what was found there: it may be a secret."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...binary.module import Module
from ...engine.component.linked import LinkedInstance
from ...engine.runtime import Deadline
from ...errors import MemoryLimit, PreinitError, TimeLimit, UsageError
from ...options import Options
from ...records import replaced
from ...result import Difference
from ...symbols.places import Places
from ..audit.ranges import Range, by_cause, differing_ranges
from ..audit.runs import worlds
from ..observer import Observer
from ..snapshot import Snapshot
from .capture import Captured, capture_component
from .plan import ComponentPlan
from .run import Once, PausedComponent, run_component
from .source import ComponentSource

#: Kind and index of what is compared as one, or of a memory; where it differs.
_Found = dict[tuple[str, int], list[Range]]


def audit_component(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    once: Once,
    first: PausedComponent,
    captured: Captured,
) -> tuple[Difference, ...]:
    """What the initializer leaves in other worlds, and did not in the `first` run. Raises `TimeLimit`.

    Memories and globals are numbered as in the report: on from one core instance to the next.
    """
    found: dict[str, _Found] = {}
    outcomes: list[Difference] = []
    for cause, host, clock in worlds(options.host):
        there = replaced(options, host=host)
        try:
            other = run_component(source, plan, there, deadline, Observer(), once, clock)
            try:
                compare = partial(_compared, source, first, captured, other)
                found[cause] = deadline.start(compare).result()
            finally:  # at once, also where the process ends soon: the next one needs room
                other.world.close()
                other.cores.close()
        except (TimeLimit, UsageError):
            raise
        except PreinitError as problem:
            if type(problem) is MemoryLimit:  # the machine has no room for two: that says nothing about the guest
                raise
            outcomes.append(Difference("outcome", 0, (cause,), name=problem.code))
    return (*outcomes, *_merged(source, captured, found))


def _compared(source: ComponentSource, first: PausedComponent, captured: Captured, other: PausedComponent) -> _Found:
    now = capture_component(source, other)
    numbers = {id(instance): number for number, instance in enumerate(other.cores.instances)}
    others = {numbers[id(instance)]: state for instance, state in now.states.items()}
    found: _Found = {}
    memories = globals_ = 0
    for number, instance in enumerate(first.cores.instances):
        before, after = captured.states.get(instance), others.get(number)
        if before is None:
            continue
        if after is not None:
            found |= _of_instance(instance.module, before, after, memories, globals_)
        memories += len(instance.module.memories) - instance.module.imported_memories
        globals_ += len(before.globals.numbers)
    returned = enumerate(zip(first.returned, other.returned, strict=True))
    found |= {("result", number): [(0, 0)] for number, (one, another) in returned if one != another}
    tables = (_tables(captured), _tables(now))
    if tables[0] != tables[1]:
        found["table", 0] = [(0, 0)]
    return found


def _of_instance(module: Module, before: Snapshot, after: Snapshot, memories: int, globals_: int) -> _Found:
    found: _Found = {}
    for index in range(module.imported_memories, len(module.memories)):
        number = memories + index - module.imported_memories
        one, other = before.memories[index], after.memories[index]
        if one.pages != other.pages:
            found["memory size", number] = [(0, 0)]
        if ranges := differing_ranges(one, other):
            found["memory", number] = ranges
    for place, (index, bits) in enumerate(before.globals.numbers.items()):
        if bits != after.globals.numbers[index]:
            found["global", globals_ + place] = [(0, 0)]
    return found


def _tables(captured: Captured) -> tuple[object, ...]:
    """What tables hold, in a form that is the same for another run: functions by core instance and index."""

    def named(fix: object) -> object:
        owner = getattr(fix, "owner", None)
        return None if fix is None else (getattr(owner, "number", -1), getattr(fix, "index", -1))

    shared = {
        (table.owner.number, table.index): {slot: named(fix) for slot, fix in fixes.items()}
        for table, fixes in captured.fixes.items()
        if table.owner
    }
    return shared, {instance.number: state.tables.changed for instance, state in captured.states.items()}


def _merged(source: ComponentSource, captured: Captured, found: dict[str, _Found]) -> Iterator[Difference]:
    """One entry for each place, with all that it depends on."""
    places: dict[LinkedInstance, Places] = {}
    owners = list(_owners(captured))
    for kind, index in sorted({place for one in found.values() for place in one}):
        ranges = {cause: one[kind, index] for cause, one in found.items() if (kind, index) in one}
        if kind != "memory":
            yield Difference(kind, index, tuple(ranges))
            continue
        instance, own = owners[index]
        if instance not in places:
            places[instance] = Places(instance.module)
        for start, end, on in by_cause(ranges):
            name = places[instance].memory(own, start, end)
            title = source.parts[instance.base].title
            yield Difference(kind, index, on, start, end - start, f"{title}{': ' + name if name else ''}")


def _owners(captured: Captured) -> Iterator[tuple[LinkedInstance, int]]:
    """The core instance of each memory, and the memory's index there."""
    for instance in captured.states:
        for index in range(instance.module.imported_memories, len(instance.module.memories)):
            yield instance, index
