"""Passive segments: functions that tell whether one was dropped."""

from __future__ import annotations

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.module import SectionId
from ...binary.sections import ExternKind, Mode
from ...binary.types import FuncType, Limits, ValType
from ...tuples import NamedTuple
from .additions import Additions


class SegmentProbes(NamedTuple):
    """Index of a passive segment -> export of a function that traps if and only if the segment was dropped."""

    data: dict[int, str]
    elements: dict[int, str]


#: For code that has no passive segments.
NO_PROBES = SegmentProbes({}, {})

#: The operands of `memory.init` and `table.init` that copy one thing: destination, source, how many.
_ONE = code.i32_const(0) * 2 + code.i32_const(1)


def add_probes(add: Additions) -> SegmentProbes:
    return SegmentProbes(_data_probes(add), element_probes(add))


def _probe(add: Additions, label: str, instruction: bytes) -> str:
    body = code.NO_LOCALS + _ONE + instruction + code.END
    return add.export(ExternKind.FUNC, add.function(FuncType((), ()), body), label)


def _data_probes(add: Additions) -> dict[int, str]:
    """`memory.init` of one byte into a scratch memory."""
    module = add.module
    passive = [i for i, s in enumerate(module.data_segments) if s.mode is Mode.PASSIVE and s.end > s.start]
    if not passive or module.section(SectionId.DATA_COUNT) is None:  # without a count, no code can drop one
        return {}
    scratch = len(module.memories) + len(add.memories)
    add.memories.append(write.limits(Limits(1, 1, page_size_log2=0)))
    return {index: _probe(add, "data", code.memory_init(index, scratch)) for index in passive}


def element_probes(add: Additions) -> dict[int, str]:
    """`table.init` of one element into a scratch table of the segment's type."""
    module = add.module
    scratch: dict[ValType, int] = {}
    probes = {}
    for index, segment in enumerate(module.elements):
        if segment.mode is not Mode.PASSIVE or not segment.length:
            continue
        nullable = code.nullable(segment.type)
        if nullable not in scratch:
            scratch[nullable] = len(module.tables) + len(add.tables)
            add.tables.append(nullable + write.limits(Limits(1, 1)))
        probes[index] = _probe(add, "element", code.table_init(index, scratch[nullable]))
    return probes
