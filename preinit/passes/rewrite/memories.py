"""Memories: their size, what is in them as data segments, and filling imported ones.

A restored memory is grown to the size that it had, cleared, and filled from passive segments, which are dropped then.
One that is larger than it was stays larger. A few words that lie far from the rest may be stored when an instance
starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.encoder import CONTINUED, SMALL, sleb, uleb
from ...binary.module import Module, SectionId
from ...binary.stores import Store, instructions
from ...binary.types import I32, I64, Limits
from ..plan.owners import Owners
from ..snapshot import MemoryState, Snapshot
from .growing import grow_to
from .layout import LARGE, runs_of_memory
from .plan import MemoriesPlan
from .runs import Places, Run, Runs, trimmed

#: One local of each address type, with which memories are cleared: their indices are 0 and 1.
LOCALS = code.locals_(I32, I64)


def memory_runs(module: Module, snapshot: Snapshot, plan: MemoriesPlan) -> Runs:
    """The parts of all memories that the data segments will hold."""
    runs = Runs({})
    for index, state in enumerate(snapshot.memories):
        found = runs_of_memory(state.content, index, module.memories[index].is_64, plan.layout, state.touched)
        runs = trimmed(Runs({**runs.memories, index: found}))
    return runs


def memory_section(module: Module, states: Sequence[MemoryState], owners: Owners) -> write.Pieces:
    """Each memory that the output defines starts as large as it is now."""
    entries = [
        write.limits(limits._replace(minimum=state.pages))
        for limits, state in list(zip(module.memories, states, strict=True))[owners.first_defined :]
    ]
    return write.section(SectionId.MEMORY, write.vector(entries)) if entries else []


def imported_limits(limits: Limits, index: int, states: Sequence[MemoryState], owners: Owners) -> Limits:
    """What the output asks for of an import: as large as it is now, unless a start function grows it."""
    return limits if owners.restores(index) else limits._replace(minimum=states[index].pages)


def active_entries(module: Module, states: Sequence[MemoryState], runs: Runs) -> write.Pieces:
    """The data segments that put runs where they belong: for each, what comes before its content, and that."""
    small, continued, rest = SMALL, CONTINUED, _Rest()
    entries: write.Pieces = []
    add = entries.append
    for memory, places in runs.memories.items():
        head, content, is_64 = active_head(memory), states[memory].content, module.memories[memory].is_64
        plain = head + b"\x41"  # what `offset_constant` does, inline
        for start, end in places:  # of tens of thousands
            size = end - start
            length = small[size] if size < 0x80 else uleb(size)
            if 1 << 13 <= start < 1 << 31 and not is_64:
                add(plain + continued[start & 0x7F] + continued[start >> 7 & 0x7F] + rest[start >> 14] + length)
            else:
                add(head + offset_constant(start, is_64) + length)
            add(content[start:end])
    return entries


def active_pieces(module: Module, states: Sequence[MemoryState], runs: Runs) -> write.Pieces:
    """The same segments, one behind the other: in few pieces, where many bytes make it worth it."""
    pieces: write.Pieces = []
    for memory, places in runs.memories.items():
        made = None if places.size < LARGE else _compiled_entries(module, states, memory, places)
        pieces += active_entries(module, states, Runs({memory: places})) if made is None else made
    return pieces


def _compiled_entries(module: Module, states: Sequence[MemoryState], memory: int, places: Places) -> list[bytes] | None:
    """Those of one memory, written by compiled code; None where that can't be had."""
    from ...engine.own.cutter import new_cutter

    is_64 = module.memories[memory].is_64
    cutter = new_cutter(is_64)
    if cutter is None:
        return None
    try:
        head = active_head(memory) + code.address_ops(is_64).const(0)[:1]
        return cutter.segments(states[memory].content, places.starts, places.ends, head)
    finally:
        cutter.close()


def kept(pieces: write.Pieces) -> write.Pieces:
    """The same bytes, in pieces that stay when the guest's memory is gone: those that are views of it in one."""
    if any(isinstance(piece, memoryview) for piece in pieces):
        return [b"".join(pieces)]
    return pieces


class _Rest(dict[int, bytes]):
    """What follows the two lowest bytes of an offset, which many segments have in common."""

    def __missing__(self, number: int) -> bytes:
        self[number] = found = sleb(number) + code.END
        return found


def active_head(memory: int) -> bytes:
    """Flags of an active data segment, and its memory's index."""
    return b"\x00" if memory == 0 else b"\x02" + write.uleb(memory)


def passive_entry(states: Sequence[MemoryState], run: Run) -> write.Pieces:
    content = states[run.memory].content[run.start : run.end]
    return [b"\x01" + write.uleb(len(content)), content]


def stores(module: Module, states: Sequence[MemoryState], runs: Iterable[Run]) -> bytes:
    """Instructions that store runs which no segment has."""
    return b"".join(
        instructions(Store(run.memory, run.start, bytes(states[run.memory].content[run.start : run.end])), wide)
        for run in runs
        for wide in (module.memories[run.memory].is_64,)
    )


def restore_memories(
    module: Module, states: Sequence[MemoryState], plan: MemoriesPlan, placed: Sequence[tuple[Run, int]]
) -> bytes:
    """Instructions that restore imported memories; `placed`: runs, and the passive segment that holds each."""
    return b"".join(_restore_memories(module, states, plan, placed))


def _restore_memories(
    module: Module, states: Sequence[MemoryState], plan: MemoriesPlan, placed: Sequence[tuple[Run, int]]
) -> Iterator[bytes]:
    for index, (limits, state) in enumerate(zip(module.memories, states, strict=True)):
        if not plan.owners.restores(index):
            continue
        if index == 0 and plan.grow_with is not None:
            size = code.i32_const(state.pages * limits.page_size) + code.call(plan.grow_with) + code.DROP
            ops = code.address_ops(limits.is_64)
            yield code.memory_size(index) + ops.const(state.pages) + ops.lt_u + code.if_(size)
        yield grow_to(code.memory_size(index), code.memory_grow(index), b"", state.pages, limits.is_64)
        yield _cleared(index, limits)
        ops = code.address_ops(limits.is_64)
        for run, segment in placed:
            if run.memory == index:
                yield ops.const(run.start) + code.i32_const(0) + code.i32_const(run.end - run.start)
                yield code.memory_init(segment, index) + code.data_drop(segment)


def _cleared(index: int, limits: Limits) -> bytes:
    ops = code.address_ops(limits.is_64)
    size, fill = code.memory_size(index), code.memory_fill(index)
    if limits.page_size == 1:
        return ops.const(0) + code.i32_const(0) + size + fill
    # A page at a time, from the last: the size in bytes may not fit the address type.
    pages = 1 if limits.is_64 else 0  # the local
    shift = limits.page_size.bit_length() - 1
    clear = code.local_get(pages) + ops.const(1) + ops.sub + code.local_tee(pages) + ops.const(shift) + ops.shl
    clear += code.i32_const(0) + ops.const(limits.page_size) + fill
    done = code.local_get(pages) + ops.eqz + code.br_if(1)
    return size + code.local_set(pages) + code.block(code.loop(done + clear + code.br(0)))
