"""What a paused instance holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class I31(NamedTuple):
    """An i31 reference: a number of 31 bits, signed."""

    value: int


#: A reference that can be written: null, a function by its index, an i31.
Reference = int | I31 | None


@dataclass(frozen=True, eq=False)
class MemoryState:
    """A memory's size in pages, and its bytes: a view of the running instance, not a copy.

    `touched`: ranges outside of which all is zero; None where that isn't known.
    """

    pages: int
    content: memoryview
    touched: list[tuple[int, int]] | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All state of an instance that can differ from the state after instantiation.

    `memories` by memory index. `globals`: index of a global of a numeric type, mutable or imported or computed from an
    imported one -> its raw little-endian bytes; `globals_before`: the same before anything ran. `tables`: index of a
    table that changed -> all its entries. `references`: index of a reference global that changed or is imported -> its
    value. `dropped_data`, `dropped_elements`: indices of passive segments that were dropped.
    """

    memories: tuple[MemoryState, ...]
    globals: dict[int, bytes]
    globals_before: dict[int, bytes]
    tables: dict[int, tuple[Reference, ...]]
    references: dict[int, Reference]
    dropped_data: frozenset[int]
    dropped_elements: frozenset[int]
