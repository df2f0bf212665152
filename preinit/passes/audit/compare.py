"""Comparing what two runs of one guest left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ...binary.module import Module
from ...binary.types import is_numeric
from ...engine.guest import Instance
from ...engine.values import RawValue
from ...tuples import NamedTuple
from ..run.paused import Paused
from ..snapshot import Snapshot
from .ranges import Range, differing_ranges


@dataclass
class Found:
    """`outcome`: code of the error with which the other run ended. `ranges`: kind and index of a memory or table ->
    where it differs. `singles`: kind and index of all else that differs."""

    outcome: str = ""
    ranges: dict[tuple[str, int], list[Range]] = field(default_factory=dict)
    singles: list[tuple[str, int]] = field(default_factory=list)


class Run(NamedTuple):
    """A guest after its initializer, and what it left."""

    module: Module
    paused: Paused
    snapshot: Snapshot


def compare(first: Run, other: Run) -> Found:
    """Where the state that the other run left differs from that of the first."""
    found = Found()
    found.singles += _singles(first, other)
    for index, (a, b) in enumerate(zip(first.snapshot.memories, other.snapshot.memories, strict=True)):
        ranges = differing_ranges(a, b)
        if ranges:
            found.ranges["memory", index] = ranges
    for index in first.paused.instrumented.tables:
        before, now = table_entries(first.paused, index), table_entries(other.paused, index)
        if len(before) != len(now):
            found.singles.append(("table size", index))
        places = [slot for slot, (x, y) in enumerate(zip(before, now, strict=False)) if x != y]
        if places:
            found.ranges["table", index] = list(_neighbours(places))
    return found


def _singles(first: Run, other: Run) -> Iterator[tuple[str, int]]:
    a, b = first.snapshot, other.snapshot
    returned = enumerate(zip(first.paused.returned, other.paused.returned, strict=True))
    yield from (("result", number) for number, (x, y) in returned if x != y)
    memories = enumerate(zip(a.memories, b.memories, strict=True))
    yield from (("memory size", index) for index, (x, y) in memories if x.pages != y.pages)
    yield from (("global", index) for index, bits in a.globals.numbers.items() if bits != b.globals.numbers[index])
    for index, entry in enumerate(first.module.globals):
        if not is_numeric(entry.type) and _global(first.paused, index) != _global(other.paused, index):
            yield "global", index
    yield from (("data segment", index) for index in a.segments.dropped_data ^ b.segments.dropped_data)
    yield from (("element segment", index) for index in a.segments.dropped_elements ^ b.segments.dropped_elements)


def _global(run: Paused, index: int) -> object:
    name = run.instrumented.globals[index]
    return _comparable(run.instance)(run.instance.global_value(name, 0))


def table_entries(run: Paused, index: int) -> list[object]:
    """A table's entries, in a form that can be compared: ("func", its index) for a function of the module."""
    return list(map(_comparable(run.instance), run.instance.table_values(run.instrumented.tables[index])))


def _comparable(instance: Instance) -> Callable[[RawValue], object]:
    """A reference as something that is the same in another instance: functions of other modules are all alike."""

    def comparable(value: RawValue) -> object:
        return ("func", instance.resolve_function(value.bits)) if value.kind == "func" else value

    return comparable


def _neighbours(places: list[int]) -> Iterator[Range]:
    """Ranges of subsequent numbers."""
    start = end = places[0]
    for place in places:
        if place > end:
            yield start, end
            start = place
        end = place + 1
    yield start, end
