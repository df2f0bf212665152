"""What can be compared without running anything: types, imports, exports, code, what is declared of state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ..binary.cursor import leading_u32
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind, Global, Import, Table
from ..binary.types import FuncType, Limits, type_name
from ..errors import Discrepancy, quoted
from ..options import Imports

_STATE = (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.GLOBAL)

#: Name, kind and index of an export.
Exported = tuple[str, int, int]


def structure(
    module: Module, output: Module, exports: Sequence[Exported] | None, imports: Imports, more: bool = False
) -> Iterator[Discrepancy]:
    """Where the output's declarations or code are others than the input's.

    `exports`: those that the output must have; None where that is not known before the initializer ran: see
    `exported`. `more`: the output has functions, and globals, of its own. How large memories and tables are now is
    not looked at.
    """
    yield from _types(module, output, more)
    yield from _imports(module, output, imports)
    yield from _functions(module, output)
    yield from _state(module, output, more)
    if exports is not None:
        yield from exported(module, output, exports)
    if output.start is not None and output.start < len(module.function_types):
        name = _function(module, output.start)
        yield Discrepancy("start function", "start function", "none that runs again", f"{name}")


def _entries(module: Module, number: SectionId) -> tuple[int, memoryview]:
    """The number of entries of a section, and their bytes."""
    section = module.section(number)
    if section is None:
        return 0, memoryview(b"")
    payload = module.payload(section)
    count, size = leading_u32(payload)
    return count, payload[size:]


def _types(module: Module, output: Module, more: bool) -> Iterator[Discrepancy]:
    """All of the input's types, at their indices; after them, one for a start function may follow, or those of
    functions that the output has `more`."""
    before, after = module.types.functions, output.types.functions
    for index, pair in enumerate(zip_longest(before, after[: len(before)], fillvalue=None)):
        if pair[0] != pair[1]:
            yield Discrepancy(
                "type", f"type {index}", _type(pair[0]), _type(pair[1]) if index < len(after) else "nothing"
            )
            return
    for index, extra in enumerate(after[len(before) :], len(before)):
        if not more and (extra != FuncType((), ()) or output.start is None):
            yield Discrepancy("type", f"type {index}", "nothing", _type(extra))
            return
    content = _entries(module, SectionId.TYPE)[1]
    if _entries(output, SectionId.TYPE)[1][: len(content)] != content:
        yield Discrepancy("type", "type section", "its bytes", "other ones")


def _type(value: FuncType | None) -> str:
    return "a type that is not a function's" if value is None else str(value)


# -- imports and state -------------------------------------------------------------------------------------------------


def _imports(module: Module, output: Module, mode: Imports) -> Iterator[Discrepancy]:
    expected = [e for e in module.imports if mode != "define" or e.kind not in _STATE]
    for number, (before, after) in enumerate(zip_longest(expected, output.imports)):
        a, b = _import(module, before), _import(output, after)
        if a != b:
            yield Discrepancy("import", f"import {number}", a, b)


def _import(module: Module, entry: Import | None) -> str:
    if entry is None:
        return "nothing"
    kind = f"{entry.kind.name.lower()} {entry.module}.{entry.name}"
    if entry.table:
        return f"{kind} of {_table(entry.table)}"
    if entry.memory:
        return f"{kind} of {_limits(entry.memory)}"
    if entry.global_:
        return f"{kind} of {_global(entry.global_)}"
    known = entry.type_index < len(module.types.functions)  # nothing was validated yet
    signature = _type(module.types.functions[entry.type_index]) if known else "a type that does not exist"
    return f"{kind} of {signature} (type {entry.type_index})"


def _limits(limits: Limits) -> str:
    """All of a memory's or table's limits but how large it is at least: it may have grown."""
    parts = ["64-bit addresses" * limits.is_64, "shared" * limits.shared]
    if limits.page_size_log2 is not None:
        parts.append(f"pages of {limits.page_size} bytes")
    parts.append("no maximum" if limits.maximum is None else f"maximum {limits.maximum}")
    return ", ".join(filter(None, parts))


def _table(table: Table) -> str:
    return f"{type_name(table.type)}, {_limits(table.limits)}"


def _global(entry: Global) -> str:
    return f"{'mutable' if entry.mutable else 'constant'} {type_name(entry.type)}"


def _state(module: Module, output: Module, more: bool) -> Iterator[Discrepancy]:
    """Globals that an output has for `more` functions are looked at elsewhere."""
    globals_ = output.globals[: len(module.globals)] if more else output.globals
    described: tuple[tuple[str, Sequence[Any], Sequence[Any], Callable[[Any], str]], ...] = (
        ("memory", module.memories, output.memories, _limits),
        ("table", module.tables, output.tables, _table),
        ("global", module.globals, globals_, _global),
        ("tag", module.tags, output.tags, lambda index: f"type {index}"),
    )
    for kind, before, after, describe in described:
        for index, (a, b) in enumerate(zip_longest(before, after)):
            x, y = (describe(entry) if entry is not None else "nothing" for entry in (a, b))
            if x != y:
                yield Discrepancy(kind, f"{kind} {index}", x, y)


# -- functions ---------------------------------------------------------------------------------------------------------


def _function(module: Module, index: int) -> str:
    name = module.function_name(index)
    return f"function {index}{f' ({name})' if name else ''}"


def _functions(module: Module, output: Module) -> Iterator[Discrepancy]:
    """The input's functions at their indices, code byte for byte. What comes after them is looked at elsewhere."""
    for index, (a, b) in enumerate(
        zip_longest(module.function_types, output.function_types[: len(module.function_types)])
    ):
        if a != b:
            found = "nothing" if b is None else f"type {b}"
            yield Discrepancy("function", _function(module, index), f"type {a}", found)
            return
    count, code = module.code_entries()
    written, others = output.code_entries()
    if others[: len(code)] == code:
        return
    for number, (before, after) in enumerate(zip(module.bodies, output.bodies, strict=False)):
        a, b = module.data[before.start : before.end], output.data[after.start : after.end]
        if a != b:
            at = next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
            place = f"code of {_function(module, module.imported_functions + number)}, byte {at:#x} of {len(a):#x}"
            yield Discrepancy(
                "code", place, a[at : at + 16].hex(" ") or "its end", b[at : at + 16].hex(" ") or "its end"
            )
            return
    yield Discrepancy("code", "code section", f"{count} functions, {len(code)} bytes", f"{written}, or other lengths")


def exported(module: Module, output: Module, expected: Sequence[Exported]) -> Iterator[Discrepancy]:
    """Where the output's exports are not those."""
    found = {entry.name: (entry.kind, entry.target) for entry in output.exports}
    for name, kind, index in expected:
        have = found.pop(name, None)
        if have != (kind, index):
            a = _exported(module, kind, index)
            yield Discrepancy(
                "export", f"export {quoted(name)}", a, "no such export" if have is None else _exported(module, *have)
            )
    for name, have in found.items():
        yield Discrepancy("export", f"export {quoted(name)}", "no such export", _exported(module, *have))
    order = [entry.name for entry in output.exports]
    if not found and order != [name for name, _, _ in expected] and sorted(order) == sorted(e[0] for e in expected):
        yield Discrepancy("export", "export section", "its order", "another order")


def _exported(module: Module, kind: int, index: int) -> str:
    if kind == ExternKind.FUNC:
        if index >= len(module.function_types):
            return f"function {index}, which the build added"
        return f"{_function(module, index)} of type {module.function_type(index)}"
    return f"{ExternKind(kind).name.lower() if kind in list(ExternKind) else f'kind {kind}'} {index}"
