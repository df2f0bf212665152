"""What a module's names call a place in its state."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ..binary.module import Module
from ..binary.sections import Mode
from ..errors import StackLayout
from ..stack import find_stack
from ..symbols import HEAP_BASE, STACK_POINTER, addresses, stack_pointers

#: How far behind a symbol a place is still described by it, in bytes.
_NEAR = 1 << 16

#: Functions and segments that one name lists.
_FEW = 3


class Places:
    """Names of places, as far as linkers left any."""

    def __init__(self, module: Module) -> None:
        self._module = module
        known = addresses(module)
        self._heap = known.get(HEAP_BASE)
        # `__so` linkers call borders of regions, not data.
        self._symbols = sorted((address, name) for name, address in known.items() if not name.startswith("__"))
        names = module.names.data_segments
        self._segments = [
            (segment.memory, segment.offset, segment.offset + segment.end - segment.start, names[number])
            for number, segment in enumerate(module.data_segments)
            if segment.mode is Mode.ACTIVE and segment.offset is not None and number in names
        ]
        try:
            self._stack = find_stack(module).top
        except StackLayout:
            self._stack = 0

    def single(self, kind: str, index: int) -> str | None:
        """The name of a global or a data segment."""
        if kind == "global":
            name = self._module.names.globals.get(index)
            return name or (STACK_POINTER if index in stack_pointers(self._module) else None)
        return self._module.names.data_segments.get(index) if kind == "data segment" else None

    def memory(self, index: int, start: int, end: int) -> str | None:
        """The symbol or region in which a range begins, and the data segments that reach into it."""
        found = [name for memory, low, high, name in self._segments if memory == index and low < end and start < high]
        segments = _listed(list(dict.fromkeys(found)))
        if index:
            return segments
        if start < self._stack:
            return "stack"
        if self._heap is not None and start >= self._heap:
            return "heap"
        place = bisect_right(self._symbols, start, key=lambda symbol: symbol[0]) - 1
        if place < 0 or start - self._symbols[place][0] >= _NEAR:
            return segments
        address, name = self._symbols[place]
        symbol = f"{name}+{start - address:#x}" if start > address else name
        return f"{symbol} ({segments})" if segments else symbol

    def functions(self, entries: Sequence[object]) -> str | None:
        """The names of the functions in a table's entries."""
        numbers = [entry[1] for entry in entries if isinstance(entry, tuple) and entry[0] == "func"]
        names = [self._module.function_name(number) or f"function {number}" for number in numbers if number is not None]
        return _listed(names)


def _listed(names: Sequence[str]) -> str | None:
    return ", ".join([*names[:_FEW], *(["..."] if len(names) > _FEW else [])]) or None
