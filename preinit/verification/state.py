"""State: what an instance holds, and where that of the output is not that of the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..binary.constexpr import bits_of
from ..binary.module import Module, SectionId
from ..binary.sections import Global, Mode
from ..binary.types import is_numeric, type_name
from ..engine.values import RawValue
from ..errors import Discrepancy
from ..passes.audit.ranges import differing_ranges
from ..passes.capture.globals import capture_globals
from ..passes.capture.memory import capture_memories
from ..passes.capture.segments import capture_dropped_data
from ..passes.run.runner import Paused
from ..passes.snapshot import MemoryState
from ..symbols.places import Places

#: Bytes of a memory from which on only what was touched is compared: the engine gives the rest as zeros.
_HUGE = 1 << 30
#: Bytes that are shown of two memories that differ.
_SHOWN = 16

#: A reference in words that are the same for another instance: null, a function's index, an i31's number.
Reference = str


class State(NamedTuple):
    """What an instance holds now. Memories are views: valid until the guest runs again.

    `numbers`: index of a global that can change, or that the module does not say, -> its bits; `references`: index of
    a reference global -> its value. `dropped`: passive segments that were dropped, data and elements.
    """

    memories: tuple[MemoryState, ...]
    numbers: dict[int, bytes]
    references: dict[int, Reference]
    tables: dict[int, list[Reference]]
    dropped_data: frozenset[int]
    dropped_elements: frozenset[int]


def observe(module: Module, run: Paused) -> State:
    """The state of an instance as it is now. To be called where the guest runs: it runs probes."""
    names, instance = run.instrumented, run.instance
    dropped_data = capture_dropped_data(names, instance)
    dropped_elements = frozenset(i for i, probe in names.element_probes.items() if instance.traps(probe))
    functions: dict[bytes, Reference] = {}

    def words(value: RawValue) -> Reference:
        if value.kind != "func":
            return value.kind if value.kind in ("null", "object") else f"{value.kind} {value.bits.hex(' ')}"
        if value.bits not in functions:
            index = instance.resolve_function(value.bits)
            functions[value.bits] = "a function of another module" if index is None else f"function {index}"
        return functions[value.bits]

    memories = tuple(
        m if len(m.content) > _HUGE else MemoryState(m.pages, m.content)
        for m in capture_memories(module, names, instance)
    )
    return State(
        memories,
        capture_globals(module, names, instance),
        {
            index: words(instance.global_value(name, 0))
            for index, name in names.globals.items()
            if not is_numeric(module.globals[index].type)
        },
        {index: list(map(words, instance.table_values(name))) for index, name in names.tables.items()},
        dropped_data,
        dropped_elements,
    )


class Comparison:
    """Compares states of an input with states of its output."""

    def __init__(self, module: Module, output: Module) -> None:
        self._module = module
        self._output = output
        self._places = Places(module)

    def states(self, before: State, after: State) -> Iterator[Discrepancy]:
        """All differences, place by place."""
        yield from self._memories(before, after)
        yield from self._globals(before, after)
        yield from self._tables(before, after)
        yield from self._segments(before, after)

    def _memories(self, before: State, after: State) -> Iterator[Discrepancy]:
        for index, (a, b) in enumerate(zip(before.memories, after.memories, strict=True)):
            if a.pages != b.pages:
                yield Discrepancy("memory size", f"memory {index}", f"{a.pages} pages", f"{b.pages} pages")
            for start, end in differing_ranges(a, b):
                name = self._places.memory(index, start, end)
                place = f"memory {index}, {start:#x} to {end:#x}{f' ({name})' if name else ''}"
                shown = min(end, start + _SHOWN)
                more = " ..." if shown < end else ""
                yield Discrepancy(
                    "memory", place, a.content[start:shown].hex(" ") + more, b.content[start:shown].hex(" ") + more
                )

    def _global(self, index: int) -> str:
        name = self._places.single("global", index)
        return f"global {index}{f' ({name})' if name else ''} of type {type_name(self._module.globals[index].type)}"

    def _globals(self, before: State, after: State) -> Iterator[Discrepancy]:
        for index, (a, b) in enumerate(zip(self._module.globals, self._output.globals, strict=True)):
            if is_numeric(a.type):
                x, y = _number(a, before.numbers.get(index)), _number(b, after.numbers.get(index))
            else:
                x, y = self._named(before.references[index]), self._named(after.references[index])
            if x != y:
                yield Discrepancy("global", self._global(index), x, y)

    def _tables(self, before: State, after: State) -> Iterator[Discrepancy]:
        for index, a in before.tables.items():
            b = after.tables[index]
            if len(a) != len(b):
                yield Discrepancy("table size", f"table {index}", f"{len(a)} entries", f"{len(b)} entries")
            if a == b:
                continue
            for slot, (x, y) in enumerate(zip(a, b, strict=False)):
                if x != y:
                    yield Discrepancy("table", f"table {index}, entry {slot}", self._named(x), self._named(y))

    def _named(self, reference: Reference) -> str:
        kind, _, number = reference.partition(" ")
        name = self._module.function_name(int(number)) if kind == "function" and number.isdigit() else None
        return f"{reference} ({name})" if name else reference

    def _segments(self, before: State, after: State) -> Iterator[Discrepancy]:
        """What code would find in each segment that it can name: nothing in one that was dropped, or was active."""
        module, output = self._module, self._output
        if output.section(SectionId.DATA_COUNT):  # without it, no valid code names any
            for index in range(len(module.data_segments)):
                a, b = _data(module, index, before), _data(output, index, after)
                if a != b:
                    name = self._places.single("data segment", index)
                    place = f"data segment {index}{f' ({name})' if name else ''}"
                    yield Discrepancy("data segment", place, _size(a), _size(b))
        for index in range(len(module.elements)):
            x, y = _elements(module, index, before), _elements(output, index, after)
            if x != y:
                yield Discrepancy("element segment", f"element segment {index}", _size(x), _size(y))


def _number(entry: Global, bits: bytes | None) -> str:
    """The value of a global whose bits were read, or else of one that starts with a constant."""
    if bits is None and entry.initializer:
        bits = bits_of(entry.initializer)
        if bits is None:
            return f"the value of {entry.initializer.raw.hex(' ')}"
    return "nothing" if bits is None else f"{int.from_bytes(bits, 'little'):#x}"


def _data(module: Module, index: int, state: State) -> bytes:
    if index >= len(module.data_segments):
        return b""
    segment = module.data_segments[index]
    live = segment.mode is Mode.PASSIVE and index not in state.dropped_data
    return module.data[segment.start : segment.end] if live else b""


def _elements(module: Module, index: int, state: State) -> bytes:
    if index >= len(module.elements):
        return b""
    segment = module.elements[index]
    live = segment.mode is Mode.PASSIVE and index not in state.dropped_elements and segment.length
    return module.data[segment.raw[0] : segment.raw[1]] if live else b""


def _size(content: bytes) -> str:
    return f"{len(content)} bytes: {content[:_SHOWN].hex(' ')}" if content else "nothing"
