"""Who it was that asked for something: adapters and modules that only pass calls on are looked through."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary.module import Module
from ...engine.component.linked import Linked
from ...engine.values import RawFrame
from ...errors import Frame
from .source import ComponentSource


def is_adapter(module: Module) -> bool:
    """Whether a module keeps handles of the outside in memory that another one set aside for it.

    So do adapters from preview 1, which come with `wasm-tools component new`. Their start runs again in an instance:
    the handles that they keep are those of the build.
    """
    names = {entry.module for entry in module.imports}
    own = len(module.memories) > module.imported_memories
    return bool(module.imported_memories) and not own and "__main_module__" in names and any("/" in n for n in names)


class Seen:
    """The frames of a component that runs, or ran."""

    def __init__(self, source: ComponentSource, cores: Linked) -> None:
        self._source = source
        self._cores = cores

    def _module(self, frame: RawFrame) -> Module | None:
        found = self._cores.module_of(frame)
        return self._source.parts[found.base].module if found else None

    def is_adapter(self, frames: Sequence[RawFrame]) -> bool:
        """Whether an adapter did that: the innermost module that has a memory is one."""
        for frame in frames:
            module = self._module(frame)
            if module is not None and module.memories:
                return is_adapter(module)
        return False

    def frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """The frames of what the user wrote, with offsets of the component's file; all, where there are none."""
        kept = []
        for frame in frames:
            module = self._module(frame)
            if module is not None and module.memories and not is_adapter(module):
                kept.append(frame)
        return self._cores.original(kept or frames)
