"""Who it was that asked for something: adapters and modules that only pass calls on are looked through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ...binary.module import Module
from ...binary.sections import Mode
from ...engine.component.linked import Linked
from ...engine.values import RawFrame
from ...errors import Frame
from ...host.wasi1.abi import SIGNATURES
from .source import ComponentSource

#: What an adapter is given besides functions of WASI 0.2: the memory of the program, and what the program exports.
_PROGRAM = ("env", "__main_module__")
#: What wasm-tools calls for memory that an adapter sets aside.
_REALLOC = "cabi_import_realloc"


def is_adapter(module: Module) -> bool:
    """Whether a module is an adapter from preview 1, which `wasm-tools component new` adds.

    It keeps handles of the outside in memory that the program set aside for it: those of the build are none in an
    instance. Its start function runs again there, and nothing else of it would be of use. It is known by what it is
    given, functions of WASI 0.2 and a memory, and by what it exports, functions of preview 1. A dynamic library, or an
    adapter to something else, holds state of the program.
    """
    own = len(module.memories) > module.imported_memories
    outside = {entry.module for entry in module.imports if entry.module not in _PROGRAM}
    return (
        bool(module.imported_memories)
        and not own
        and not any(segment.mode is Mode.ACTIVE for segment in module.data_segments)
        and module.custom("dylink.0") is None
        and bool(outside)
        and all(name.startswith("wasi:") for name in outside)
        and any(entry.name in SIGNATURES or entry.name == _REALLOC for entry in module.exports)
    )


def _asks_outside(module: Module) -> bool:
    return any(entry.module.startswith("wasi:") for entry in module.imports)


class Seen:
    """The frames of a component that runs, or ran."""

    def __init__(self, source: ComponentSource, cores: Linked) -> None:
        self._source = source
        self._cores = cores
        self._names: defaultdict[Module, dict[int, str | None]] = defaultdict(dict)
        asking = [instance.module for instance in cores.instances if _asks_outside(instance.module)]
        #: Whether only adapters are given functions of WASI: then a call that nobody looked at is one of theirs.
        self._only_adapters = bool(asking) and all(map(is_adapter, asking))

    def _module(self, frame: RawFrame) -> Module | None:
        found = self._cores.module_of(frame)
        return self._source.parts[found.base].module if found else None

    def is_adapter(self, frames: Sequence[RawFrame]) -> bool:
        """Whether an adapter did that: the innermost module that has a memory is one."""
        for frame in frames:
            module = self._module(frame)
            if module is not None and module.memories:
                return is_adapter(module)
        return not frames and self._only_adapters

    def frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """The frames of what the user wrote, without offsets; all, where there are none."""
        kept = []
        for frame in frames:
            module = self._module(frame)
            if module is not None and module.memories and not is_adapter(module):
                kept.append(frame)
        found = [place for frame in kept or frames if (place := self._cores.function_of(frame))]
        self._read_names(found)
        return tuple(Frame(index, self._names[module].get(index)) for module, index in found)

    def _read_names(self, functions: Sequence[tuple[Module, int]]) -> None:
        """Of a module, the names of all that are not known yet at once: reading all that it has takes long."""
        wanted: defaultdict[Module, set[int]] = defaultdict(set)
        for module, index in functions:
            if index not in self._names[module]:
                wanted[module].add(index)
        for module, indices in wanted.items():
            self._names[module] |= {**dict.fromkeys(indices), **module.function_names(indices)}
