"""Which active segment does not fit, where instantiating a module traps: none of its code has run then.

https://webassembly.github.io/spec/core/exec/modules.html#instantiation : element segments come first, then data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..binary.constexpr import evaluate, read_constant_expression
from ..binary.cursor import Cursor
from ..binary.module import Module
from ..binary.sections import ExternKind, Import, Mode
from ..binary.types import I32, I64, NUMERIC_SIZES
from ..errors import GuestTrap, counted, printable
from ..options.hints import option, preload
from ..tuples import NamedTuple
from . import ffi

_OWN = "No instance of the module can be made, whatever it runs: the tool that wrote it has a bug."
_NOTHING_RAN = (
    "Nothing of the module ran: a global, a table or a segment starts with something that can't be had. No instance "
    "of it can be made."
)


class _Segment(NamedTuple):
    """An active segment: how messages call it, what it goes to, where, how much of that it takes, in bytes or elements.

    `globals`: the imported globals that its offset depends on.
    """

    title: str
    kind: ExternKind
    target: int
    offset: int
    length: int
    globals: tuple[int, ...]


def instantiation_trap(
    module: Module, store: ffi.Store, externs: Sequence[Any], preloads: Collection[str], message: str
) -> GuestTrap:
    """The error for a trap before any code ran. `externs`: what the module's imports are, in order.

    `preloads`: the names of modules that some come from. `message`: what the engine said.
    """
    given: dict[ExternKind, list[tuple[Import, Any]]] = {kind: [] for kind in ExternKind}
    for entry, extern in zip(module.imports, externs, strict=True):
        given[entry.kind].append((entry, extern))
    for segment in _active(module, store, [extern for _, extern in given[ExternKind.GLOBAL]]):
        imported = given[segment.kind]
        found: Import | None = None
        if segment.target >= len(imported):
            size = _declared(module, segment)
        else:
            found, extern = imported[segment.target]
            is_table = segment.kind is ExternKind.TABLE
            size = ffi.table_size(store, extern) if is_table else ffi.memory_place(store, extern)[1]
        if segment.offset + segment.length > size:
            return _misfit(module, segment, size, found, preloads)
    return GuestTrap(f"instantiating the module trapped: {message}", hint=_NOTHING_RAN)


def _declared(module: Module, segment: _Segment) -> int:
    if segment.kind is ExternKind.TABLE:
        return module.tables[segment.target].limits.minimum
    memory = module.memories[segment.target]
    return memory.minimum * memory.page_size


def _misfit(module: Module, segment: _Segment, size: int, entry: Import | None, preloads: Collection[str]) -> GuestTrap:
    noun, unit = ("table", "element") if segment.kind is ExternKind.TABLE else ("memory", "byte")
    name = "" if entry is None else f", the import `{_title(entry)}`,"
    what = (
        f"the module can't be instantiated: {segment.title} does not fit its {noun}: it takes "
        f"{counted(segment.length, unit)} from {segment.offset:#x} on, and {noun} {segment.target}{name} has "
        f"{counted(size, unit)}"
    )
    imports = [one for one in module.imports if one.kind == ExternKind.GLOBAL]
    bases = [_title(imports[index]) for index in segment.globals]
    hint = _OWN
    if entry is not None and entry.module in preloads:
        hint = f"Preload a module whose `{printable(entry.name)}` is larger."
    elif entry is not None:
        provided = preload(entry.module)
        hint = "At build time, an import has what it declares at least: declare a larger minimum" + (
            f", or provide it: {provided}" if provided else "."
        )
    elif bases:
        true_value = option("--import-global", f"{bases[0]}=VALUE")
        hint = f"Its offset depends on an import: give that its true value, {true_value}"
    return GuestTrap(what, where=segment.title, hint=hint)


def _title(entry: Import) -> str:
    return f"{printable(entry.module)}.{printable(entry.name)}"


def _active(module: Module, store: ffi.Store, externs: Sequence[Any]) -> Iterator[_Segment]:
    """The active segments, in the order in which they are written, of which it is known where they go."""

    def value(index: int) -> int | None:
        if index >= len(externs) or module.globals[index].type not in (I32, I64):
            return None
        size = NUMERIC_SIZES[module.globals[index].type]
        return int.from_bytes(ffi.global_value(store, externs[index], size).bits, "little")

    for index, element in enumerate(module.elements):
        if element.mode is Mode.ACTIVE and element.offset is not None:
            offset = evaluate(element.offset, value)
            if offset is not None:
                used = element.offset.globals
                yield _Segment(
                    f"element segment {index}", ExternKind.TABLE, element.table, offset, element.length, used
                )
    for index, data in enumerate(module.data_segments):
        if data.mode is Mode.ACTIVE:
            at = Cursor(module.data, data.raw_start, data.start, "data segment")
            if at.u32() == 2:
                at.u32()
            expression = read_constant_expression(at)
            offset = evaluate(expression, value)
            if offset is not None:
                size = data.end - data.start
                yield _Segment(
                    f"data segment {index}", ExternKind.MEMORY, data.memory, offset, size, expression.globals
                )
