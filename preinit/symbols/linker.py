"""Addresses in a module that linkers name.

https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md
"""

from __future__ import annotations

from ..binary.constexpr import integer_of
from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import I32, I64

STACK_POINTER = "__stack_pointer"
#: Where LLVM's linker lets the heap begin: all that it placed lies below.
HEAP_BASE = "__heap_base"


def how_to_export_memory(module: Module) -> str:
    """What to do for an export `memory`, in a sentence: who imports a memory exports it only when told to."""
    if not module.memories:
        return "The module has no memory, so there is nothing that it could export."
    flags = "-Wl,--import-memory,--export-memory" if module.imported_memories else "-Wl,--export-memory"
    return f"Have the linker export it: `{flags}`."


def initial_number(module: Module, index: int) -> int | None:
    """What an integer global starts with, unsigned; None where the module does not say it as a plain constant."""
    entry = module.globals[index]
    return integer_of(entry.initializer) if entry.initializer and entry.type in (I32, I64) else None


def stack_pointers(module: Module) -> set[int]:
    """The globals that the name section, or an export, calls the stack pointer."""
    named = {index for index, name in module.names.globals.items() if name == STACK_POINTER}
    exported = {e.target for e in module.exports if e.kind == ExternKind.GLOBAL and e.name == STACK_POINTER}
    return {index for index in named | exported if index < len(module.globals)}


def likely_stack_pointer(module: Module) -> int | None:
    """The global that LLVM's linker makes the stack pointer, where no name tells: its first one, if it looks like it.

    It points to the stack's upper end, which lies in memory and is aligned to 16 bytes.
    https://github.com/WebAssembly/tool-conventions/blob/main/BasicCABI.md
    """
    index = module.imported_globals
    if module.names.globals or index >= len(module.globals) or not module.memories:
        return None
    entry, memory = module.globals[index], module.memories[0]
    top = initial_number(module, index)
    if not top or not entry.mutable or entry.type != (I64 if memory.is_64 else I32):
        return None
    return index if top % 16 == 0 and top <= memory.minimum * memory.page_size else None


def addresses(module: Module) -> dict[str, int]:
    """Address of each data symbol that the module exports, as linkers do: as a constant global."""
    found = {}
    for entry in module.exports:
        if entry.kind != ExternKind.GLOBAL or entry.target >= len(module.globals):  # it may not have been validated yet
            continue
        address = None if module.globals[entry.target].mutable else initial_number(module, entry.target)
        if address is not None:
            found[entry.name] = address
    return found
