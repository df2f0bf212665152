"""State: what an instance holds, and where that of the output is not that of the input."""

from __future__ import annotations

from collections.abc import Iterator

from ..binary.module import Module
from ..errors import Discrepancy
from ..passes.capture.segments import dropped_segments
from ..passes.plan.owners import Ownership
from ..passes.run.paused import Paused
from ..passes.snapshot import MemoryState, SegmentsState
from ..symbols.places import Places
from ..tuples import NamedTuple
from .globals import GlobalsSeen, compare_globals, observe_values
from .memories import compare_memories, compare_memory_sizes, observe_memories
from .segments import compare_segments
from .tables import Tables, compare_table_sizes, compare_tables, observe_tables


class State(NamedTuple):
    """What an instance holds now: one part for each kind. Memories are views: valid until the guest runs again."""

    memories: tuple[MemoryState, ...]
    globals: GlobalsSeen
    tables: Tables
    segments: SegmentsState


def observe(module: Module, run: Paused) -> State:
    """The state of an instance as it is now. To be called where the guest runs: it runs probes."""
    segments = dropped_segments(run.instrumented, run.instance)
    memories = observe_memories(module, run)
    return State(memories, observe_values(module, run), observe_tables(run), segments)


class Comparison:
    """Compares states of an input with states of its output."""

    def __init__(self, module: Module, output: Module) -> None:
        self._module = module
        self._output = output
        self._places = Places(module)

    def states(self, before: State, after: State, memories: bool = True) -> Iterator[Discrepancy]:
        """All differences, place by place; without `memories`, those of the rest."""
        module, output, places = self._module, self._output, self._places
        if memories:
            yield from compare_memories(places, before.memories, after.memories)
        yield from compare_globals(module, output, places, before.globals, after.globals)
        yield from compare_tables(module, before.tables, after.tables)
        yield from compare_segments(module, output, places, before.segments, after.segments)

    def sizes(self, state: State, owners: Ownership) -> Iterator[Discrepancy]:
        """Where the output declares other sizes of memories and tables than it must, for the input's `state`."""
        yield from compare_memory_sizes(self._module, self._output, state.memories, owners.memories)
        yield from compare_table_sizes(self._module, self._output, state.tables, owners.tables)
