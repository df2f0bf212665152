"""Where LLVM's linker placed the stack.

It can place the stack first: it grows down from the stack pointer's initial value to the bottom of memory, and all data
lies above. With any other layout, or none that can be proven, live data could lie below the stack pointer.
"""

from __future__ import annotations

from ..binary.module import Module
from ..binary.sections import Mode
from ..binary.types import I32, I64
from ..errors import StackLayout
from ..tuples import NamedTuple
from .linker import HEAP_BASE, STACK_POINTER, addresses, initial_number, stack_pointers


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
        raise _unproven("that is not a mutable global of the type that addresses have", where)
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
