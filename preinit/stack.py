"""Zeroing what calls that have returned left on the stack.

LLVM's linker can place the stack first: it grows down from the stack pointer's initial value to the bottom of memory,
and all data lies above. What is below the stack pointer when the initializer has returned is then dead. With any other
layout, or none that can be proven, live data could lie there: that is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from .binary.module import Module
from .binary.sections import Mode
from .binary.types import I32, I64
from .errors import StackLayout
from .options import Layout
from .result import ScrubFacts
from .rewrite.segments import header_size, runs_of_memory
from .snapshot import MemoryState, Snapshot
from .symbols import HEAP_BASE, STACK_POINTER, addresses, initial_number, stack_pointers

#: Bytes that are looked at, and zeroed, at once.
_GRAIN = 1 << 16


class Stack(NamedTuple):
    """Bytes 0 to `top` of memory 0. `pointer`: index of the stack pointer's global."""

    pointer: int
    top: int


def find_stack(module: Module) -> Stack:
    """The stack of a module in which it lies at the bottom of memory 0, and nothing else does.

    Raises `StackLayout` where that can't be proven.
    """
    if not module.memories or module.imported_memories:
        raise _unproven("it has no memory of its own")
    found = stack_pointers(module)
    if len(found) != 1:
        known = f"{len(found)} globals are" if found else "no global is"
        raise _unproven(f"{known} called `{STACK_POINTER}` in its name section or exports")
    (pointer,) = found
    entry = module.globals[pointer]
    where = f"global {pointer} (`{STACK_POINTER}`)"
    if not entry.mutable or entry.type != (I64 if module.memories[0].is_64 else I32):
        raise _unproven("that is no mutable global of the type that addresses have", where)
    top = initial_number(module, pointer)
    if not top:
        raise _unproven("its initial value is not a constant above 0", where)
    placed = [
        (number, segment.offset)
        for number, segment in enumerate(module.data_segments)
        if segment.mode is Mode.ACTIVE and segment.memory == 0 and segment.end > segment.start
    ]
    if not placed:
        raise _unproven(f"no active data segment shows that data lies above {top:#x}, where the stack starts", where)
    for number, offset in placed:
        if offset is None:
            raise _unproven("its offset is not a plain constant", f"data segment {number}")
        if offset < top:
            raise _unproven(
                f"it lies at {offset:#x}, below {top:#x}, where the stack starts: the stack comes after the data",
                f"data segment {number}",
            )
    heap = addresses(module).get(HEAP_BASE)
    if heap is not None and heap <= top:
        raise _unproven(f"the heap begins at {heap:#x}, the stack starts at {top:#x}", f"export `{HEAP_BASE}`")
    return Stack(pointer, top)


def _unproven(reason: str, where: str | None = None) -> StackLayout:
    return StackLayout(f"the module's stack can't be proven to lie at the bottom of its memory: {reason}", where=where)


def scrub(module: Module, stack: Stack, snapshot: Snapshot, layout: Layout) -> ScrubFacts:
    """Zeroes the dead part of the stack, in the memory that the snapshot shows: nothing runs there any more.

    Raises `StackLayout` where the stack pointer is not within the stack.
    """
    pointer = int.from_bytes(snapshot.globals[stack.pointer], "little")
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
    return sum(header_size(0, run.start, run.end - run.start, is_64) + run.end - run.start for run in runs)
