"""What a paused instance holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class MemoryState:
    """A memory's size in pages, and its bytes: a view of the running instance, not a copy."""

    pages: int
    content: memoryview


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All state of an instance that can differ from the state after instantiation.

    `memories` by memory index. `globals`: index of a mutable global of a numeric type -> its raw little-endian bytes.
    `dropped_data`: indices of passive data segments that were dropped.
    """

    memories: tuple[MemoryState, ...]
    globals: dict[int, bytes]
    dropped_data: frozenset[int]
