"""Memories: what is in them, and how large they must start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..binary.module import Module
from ..errors import Discrepancy, counted
from ..passes.audit.ranges import differing_ranges
from ..passes.capture.memories import capture_memories
from ..passes.plan.owners import Owners
from ..passes.run.paused import Paused
from ..passes.snapshot import MemoryState
from ..symbols.places import Places

#: Bytes of a memory from which on only what was touched is compared: the engine gives the rest as zeros.
_HUGE = 1 << 30
#: Bytes that are shown of two memories that differ.
_SHOWN = 16


def observe_memories(module: Module, run: Paused) -> tuple[MemoryState, ...]:
    """Views: valid until the guest runs again."""
    return tuple(
        m if len(m.content) > _HUGE else MemoryState(m.pages, m.content)
        for m in capture_memories(module, run.instrumented, run.instance)
    )


def compare_memories(
    places: Places, before: Sequence[MemoryState], after: Sequence[MemoryState]
) -> Iterator[Discrepancy]:
    for index, (a, b) in enumerate(zip(before, after, strict=True)):
        if a.pages != b.pages:
            yield Discrepancy("memory size", f"memory {index}", counted(a.pages, "page"), counted(b.pages, "page"))
        for start, end in differing_ranges(a, b):
            name = places.memory(index, start, end)
            place = f"memory {index}, {start:#x} to {end:#x}{f' ({name})' if name else ''}"
            shown = min(end, start + _SHOWN)
            more = " ..." if shown < end else ""
            expected, found = (state.content[start:shown].hex(" ") + more for state in (a, b))
            yield Discrepancy("memory", place, expected, found)


def compare_memory_sizes(
    module: Module, output: Module, states: Sequence[MemoryState], owners: Owners
) -> Iterator[Discrepancy]:
    """Memories must start as large as they are now; imports that a start function grows, as they were."""
    for index, memory in enumerate(output.memories):
        wanted = module.memories[index].minimum if owners.restores(index) else states[index].pages
        if memory.minimum != wanted:
            yield Discrepancy(
                "memory", f"minimum of memory {index}", counted(wanted, "page"), counted(memory.minimum, "page")
            )
