"""What a module's names call a place in its state."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from ..binary.module import Module
from ..binary.sections import Mode
from ..errors import StackLayout
from .dwarf import variables
from .linker import HEAP_BASE, STACK_POINTER, addresses, stack_pointers
from .stack import find_stack

#: How far after a symbol a place is still described by it, in bytes.
_NEAR = 1 << 16

#: Functions, segments and variables that one name lists.
_FEW = 3

#: Variables before a place that are looked at: some lie within others.
_OVERLAPPING = 8


class Places:
    """Names of places, as far as compilers and linkers left any. `check` is called while they are read: may raise."""

    def __init__(self, module: Module, check: Callable[[], None] = lambda: None) -> None:
        self._module = module
        known = addresses(module)
        self._heap = known.get(HEAP_BASE)
        # `__so` linkers call borders of regions, not data.
        self._symbols = sorted((address, name) for name, address in known.items() if not name.startswith("__"))
        self._variables = variables(module, check)
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
        """The variable, symbol or region in which a range begins, and the data segments that reach into it."""
        found = [name for memory, low, high, name in self._segments if memory == index and low < end and start < high]
        segments = _listed(list(dict.fromkeys(found)))
        if index:
            return segments
        if start < self._stack:
            return "stack"
        if self._heap is not None and start >= self._heap:
            return "heap"
        symbol = self._variable(start, end) or self._symbol(start)
        return f"{symbol} ({segments})" if symbol and segments else symbol or segments

    def _variable(self, start: int, end: int) -> str | None:
        """The variables that a range begins in and reaches into: DWARF knows where each ends."""
        last = bisect_right(self._variables, end - 1, key=lambda variable: variable.address)
        first = bisect_right(self._variables, start, key=lambda variable: variable.address)
        before = self._variables[max(0, first - _OVERLAPPING) : first]
        within = [v for v in before if start < v.address + max(v.size, 1)]
        found = within[-1:] + self._variables[first : min(last, first + _FEW + 1)]
        offsets = (start - found[0].address if within else 0, *(0 for _ in found[1:]))
        return _listed([_shifted(v.name, offset) for v, offset in zip(found, offsets, strict=False)])

    def _symbol(self, start: int) -> str | None:
        place = bisect_right(self._symbols, start, key=lambda symbol: symbol[0]) - 1
        if place < 0 or start - self._symbols[place][0] >= _NEAR:
            return None
        address, name = self._symbols[place]
        return _shifted(name, start - address)

    def functions(self, entries: Sequence[object]) -> str | None:
        """The names of the functions in a table's entries."""
        numbers = [entry[1] for entry in entries if isinstance(entry, tuple) and entry[0] == "func"]
        names = [self._module.function_name(number) or f"function {number}" for number in numbers if number is not None]
        return _listed(names)


def _shifted(name: str, offset: int) -> str:
    return f"{name}+{offset:#x}" if offset else name


def _listed(names: Sequence[str]) -> str | None:
    return ", ".join([*names[:_FEW], *(["..."] if len(names) > _FEW else [])]) or None
