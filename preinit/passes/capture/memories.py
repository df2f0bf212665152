"""Memories: their size and their bytes."""

from __future__ import annotations

from ...binary.module import Module
from ...engine.guest import Instance
from ..instrument import Instrumented
from ..snapshot import MemoryState


def capture_memories(module: Module, instrumented: Instrumented, instance: Instance) -> tuple[MemoryState, ...]:
    """Views of all memories, in the order of their index; valid until the guest runs again."""
    states = []
    for index, limits in enumerate(module.memories):
        name = instrumented.memories[index]
        content = instance.memory(name)
        states.append(MemoryState(len(content) // limits.page_size, content, instance.touched(name)))
    return tuple(states)
