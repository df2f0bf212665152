"""Preloaded modules that import what the guest exports, under the module name `guest`.

They can only be instantiated when there is a guest: before that, a function of the host's stands for each of their
functions that the guest imports, and calls it through a table. So they can provide nothing but functions, and must do
nothing on their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..binary.module import Module
from ..binary.sections import Export, ExternKind, Global, Import, Mode, Table
from ..binary.types import FuncType, Limits, is_numeric, type_name
from ..errors import Misfit, counted, printable, quoted
from ..options.hints import few_of

#: The module name under which a preloaded module imports what the guest exports.
GUEST = "guest"


def borrowers(preloads: Mapping[str, Module]) -> tuple[str, ...]:
    """The names of the preloaded modules that need the guest, in order, themselves or by way of others."""
    found: list[str] = []
    known: set[str] = set()
    for name, module in preloads.items():
        if any(lends(entry, known) or entry.module in found for entry in module.imports):
            found.append(name)
        known.add(name)
    return tuple(found)


def lends(entry: Import, known: set[str]) -> bool:
    """Whether an import of a preloaded module is from the guest. `known`: the names of those preloaded before it."""
    return entry.module == GUEST and GUEST not in known


def borrowed_functions(preload: Module) -> dict[int, str]:
    """The functions that such a module imports, and the names under which they are exported, too."""
    prefix = "lent:"
    while any(name.startswith(prefix) for name in preload.exported_names):
        prefix += ":"
    return {index: f"{prefix}{index}" for index in range(preload.imported_functions)}


def check_lent(module: Module, preloads: Mapping[str, Module]) -> None:
    """Refuses preloaded modules that need of the guest what it has not, or can't be given to it later.

    Raises `Misfit`.
    """
    late = borrowers(preloads)
    known: set[str] = set()
    for name, preload in preloads.items():
        for entry in preload.imports:
            if lends(entry, known):
                lent(module, name, preload, entry)
        if name in late:
            _check_idle(name, preload)
        known.add(name)
    for entry in module.imports:
        if entry.module in late and entry.kind != ExternKind.FUNC and preloads[entry.module].exported(entry.name):
            raise Misfit(
                f"the preloaded module {quoted(entry.module)} imports from the guest, and the guest imports a "
                f"{entry.kind.name.lower()} from it: neither can be made before the other",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint=f"Let a module that imports nothing from `{GUEST}` export it, and preload that before; or let the "
                f"guest have it, and import it from `{GUEST}`.",
            )


def _too_much(module: Module, entry: Import, export: Export) -> str | None:
    """What a memory or table is imported with and does not have when the preloaded module is made; None for nothing."""
    if entry.memory:
        wanted, found, own, unit = entry.memory, module.memories[export.target], module.imported_memories, "page"
    elif entry.table:
        wanted, found = entry.table.limits, module.tables[export.target].limits
        own, unit = module.imported_tables, "element"
    else:
        return None
    if wanted.minimum > found.minimum and export.target >= own:
        return f"at least {counted(wanted.minimum, unit)}, and it begins with {counted(found.minimum, unit)}"
    if wanted.maximum is not None and (found.maximum is None or found.maximum > wanted.maximum):
        may = "any number" if found.maximum is None else counted(found.maximum, unit)
        return f"at most {counted(wanted.maximum, unit)}, and it may have {may}"
    return None


def lent(module: Module, name: str, preload: Module, entry: Import) -> Export:
    """What `module` exports for that import of the preloaded module `name`. Raises `Misfit`."""
    where = f"preloaded module {quoted(name)}, import `{printable(entry.module)}.{printable(entry.name)}`"
    export = module.exported(entry.name)
    if export is None:
        shown = few_of({one.name: quoted(one.name) for one in module.exports}, entry.name)
        raise Misfit(
            f"the preloaded module {quoted(name)} imports {quoted(entry.name)} from the guest, which exports nothing "
            "of that name",
            where=where,
            hint=f"The module exports {shown}." if shown else "The module exports nothing.",
        )
    wanted, found = import_type(preload, entry), export_type(module, export)
    if wanted and found and wanted != found:
        raise Misfit(
            f"the preloaded module {quoted(name)} imports {quoted(entry.name)} from the guest as {wanted}, and "
            f"the guest exports {found}",
            where=where,
            hint="Import it with the type that the guest gives it.",
        )
    if problem := _too_much(module, entry, export):
        raise Misfit(
            f"the preloaded module {quoted(name)} imports {quoted(entry.name)} from the guest with {problem}",
            where=where,
            hint="Import it with the limits that the guest gives it, or with smaller ones and no maximum.",
        )
    if entry.memory and entry.memory.shared:
        raise Misfit(
            f"the preloaded module {quoted(name)} imports a shared memory of the guest, which can't be lent",
            where=where,
            hint="Have the guest import its memory, from a preloaded module that exports it.",
        )
    return export


def _check_idle(name: str, preload: Module) -> None:
    """Refuses a module that would change the guest when it is instantiated."""
    what = None
    if preload.start is not None:
        what = "has a start function"
    elif any(s.mode is Mode.ACTIVE and s.memory < preload.imported_memories for s in preload.data_segments):
        what = "has active data segments for a memory that it imports"
    elif any(s.mode is Mode.ACTIVE and s.table < preload.imported_tables for s in preload.elements):
        what = "has active element segments for a table that it imports"
    if what:
        raise Misfit(
            f"the preloaded module {quoted(name)} imports from the guest and {what}, which would change the guest "
            "before its initializer runs",
            where=f"preloaded module {quoted(name)}",
            hint="Do that in a function that the guest calls.",
        )


# -- types in words ----------------------------------------------------------------------------------------------------


def import_type(module: Module, entry: Import) -> str:
    """In words; nothing where only the engine can compare it."""
    if entry.kind == ExternKind.FUNC:
        return _function_type(module.types.functions[entry.type_index])
    return _state_type(entry.kind, entry.memory or entry.table or entry.global_)


def export_type(module: Module, export: Export) -> str:
    """The same of an export."""
    if export.kind == ExternKind.FUNC:
        return _function_type(module.function_type(export.target))
    spaces: dict[int, Sequence[Limits | Table | Global]] = {
        ExternKind.MEMORY: module.memories, ExternKind.TABLE: module.tables, ExternKind.GLOBAL: module.globals,
    }  # fmt: skip
    space = spaces.get(export.kind, ())
    return _state_type(ExternKind(export.kind), space[export.target] if export.target < len(space) else None)


def _function_type(signature: FuncType | None) -> str:
    """In words, and nothing where that names types of its module: those have other indices elsewhere."""
    plain = signature is not None and all(len(t) == 1 for t in signature.params + signature.results)
    return f"a function of type {signature}" if plain else ""


def _state_type(kind: ExternKind, value: Limits | Table | Global | None) -> str:
    if isinstance(value, Global) and is_numeric(value.type):
        return f"a {'mutable' if value.mutable else 'constant'} global of type {type_name(value.type)}"
    if isinstance(value, Limits):
        return f"a {'shared ' if value.shared else ''}memory of {64 if value.is_64 else 32} bits"
    return f"a {kind.name.lower()}"
