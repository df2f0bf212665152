"""Zeroing what calls that have returned left on the stack.

What is below the stack pointer when the initializer has returned is dead, where the stack lies at the bottom of memory:
see `symbols.stack`.
"""

from __future__ import annotations

from ...binary.module import Module
from ...errors import StackLayout
from ...options import Layout
from ...result import ScrubFacts
from ...symbols.linker import STACK_POINTER
from ...symbols.stack import Stack
from ..plan.job import Job
from ..snapshot import MemoryState, Snapshot
from .layout import header_size, runs_of_memory

#: Bytes that are looked at, and zeroed, at once.
_GRAIN = 1 << 16


def scrub(job: Job, snapshot: Snapshot) -> ScrubFacts | None:
    """Zeroes the dead part of the job's stack, if it has one; see `zero_dead_stack`."""
    return zero_dead_stack(job.module, job.stack, snapshot, job.options.layout) if job.stack else None


def zero_dead_stack(module: Module, stack: Stack, snapshot: Snapshot, layout: Layout) -> ScrubFacts:
    """Zeroes the dead part of the stack, in the memory that the snapshot shows: nothing runs there any more.

    Raises `StackLayout` where the stack pointer is not within the stack.
    """
    pointer = int.from_bytes(snapshot.globals.numbers[stack.pointer], "little")
    memory = snapshot.memories[0]
    if not 0 < pointer <= stack.top <= len(memory.content):
        raise StackLayout(
            f"the stack pointer is {pointer:#x} after the initializer, not between 0 and {stack.top:#x}, "
            "where the stack starts",
            where=f"global {stack.pointer} (`{STACK_POINTER}`)",
        )
    before = _written(module, memory, stack.top, layout)
    zeroed = 0
    for start in range(0, pointer, _GRAIN):
        part = memory.content[start : min(start + _GRAIN, pointer)]
        filled = len(part) - part.tobytes().count(0)
        if filled:
            part[:] = bytes(len(part))
            zeroed += filled
    return ScrubFacts(stack.top, pointer, zeroed, before - _written(module, memory, stack.top, layout))


def _written(module: Module, memory: MemoryState, end: int, layout: Layout) -> int:
    """Bytes of the data segments that hold what lies before `end`."""
    is_64 = module.memories[0].is_64
    runs = runs_of_memory(memory.content[:end], 0, is_64, layout)
    return sum(header_size(0, start, end - start, is_64) + end - start for start, end in runs)
