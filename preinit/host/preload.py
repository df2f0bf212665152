"""Modules that provide imports of the guest while it initializes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..binary import encoder as write
from ..binary.module import Module, SectionId
from ..binary.sections import Export, ExternKind, Global, Import, Table
from ..binary.types import FuncType, Limits, is_numeric, type_name
from ..engine.bounds import shared_with
from ..engine.guest import GENERATED
from ..errors import ImportedState, Misfit, printable, quoted
from ..options import Options
from ..options.hints import few_of
from ..result import BuildWarning


def check(module: Module, preloads: Mapping[str, Module], options: Options) -> None:
    """Refuses preloaded modules that lack something, are not needed, or don't fit the module or the options.

    Raises `Misfit`, `ImportedState`.
    """
    check_needed(module, preloads)
    check_preloads(preloads.items())
    check_types(module, preloads)
    check_uses(module, preloads, options)


def check_preloads(preloads: Iterable[tuple[str, Module]]) -> None:
    """A preloaded module may import what those before it export, and nothing else. Raises `Misfit`."""
    provided: set[tuple[str, str]] = set()
    for name, module in preloads:
        for entry in module.imports:
            if (entry.module, entry.name) not in provided:
                raise Misfit(
                    f"the preloaded module {quoted(name)} imports "
                    f"`{printable(entry.module)}.{printable(entry.name)}`, which no earlier one exports",
                    hint="Preload modules that need nothing from outside, each before the ones that import it.",
                )
        provided.update((name, export.name) for export in module.exports)


def check_needed(module: Module, preloads: Mapping[str, Module]) -> None:
    """Refuses a preloaded module that provides nothing. Raises `Misfit`."""
    wanted = {(entry.module, entry.name) for holder in (module, *preloads.values()) for entry in holder.imports}
    for name, preload in preloads.items():
        if not any((name, export.name) in wanted for export in preload.exports):
            names = {entry.module: quoted(entry.module) for entry in module.imports}
            shown = few_of(names, name)
            raise Misfit(
                f"nothing is imported from the preloaded module {quoted(name)}",
                hint=f"The name before `=` is the one that imports name, and the module imports from {shown}."
                if names
                else "Leave it out: the module imports nothing.",
            )


def check_types(module: Module, preloads: Mapping[str, Module]) -> None:
    """Refuses a preloaded module that exports something else than is imported from it. Raises `Misfit`.

    What one module says of another's types, and sizes that only an instance has, is for the engine to see.
    """
    for entry in module.imports:
        export = preloads[entry.module].exported(entry.name) if entry.module in preloads else None
        if export is None:
            continue
        wanted, found = _type_of(module, entry), _export_type(preloads[entry.module], export)
        if wanted and found and wanted != found:
            raise Misfit(
                f"the preloaded module {quoted(entry.module)} exports {quoted(entry.name)} as {found}, which is "
                f"incompatible with the import: {wanted}",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Preload a module whose exports have the types that the imports ask for.",
            )


def _type_of(module: Module, entry: Import) -> str:
    if entry.kind == ExternKind.FUNC:
        return _function_type(module.types.functions[entry.type_index])
    return _state_type(entry.kind, entry.memory or entry.table or entry.global_)


def _export_type(module: Module, export: Export) -> str:
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


def check_uses(module: Module, preloads: Mapping[str, Module], options: Options) -> None:
    """Refuses options that fit no preloaded import. Raises `ImportedState`, `Misfit`."""
    given = {name for name, _ in options.import_globals}
    stubbed = {name for name, _ in options.stubs}
    for entry in module.imports:
        provider = preloads.get(entry.module)
        if provider is None or entry.name not in provider.exported_names:
            continue
        if f"{entry.module}.{entry.name}" in stubbed:
            raise Misfit(
                f"the import `{printable(entry.module)}.{printable(entry.name)}` is preloaded, and also stubbed",
                hint="Leave out `--stub` for it.",
            )
        if f"{entry.module}.{entry.name}" in given:
            raise Misfit(
                f"the global `{printable(entry.module)}.{printable(entry.name)}` is preloaded, and also given a value",
                hint="Leave out `--import-global` for it.",
            )
        if options.imports == "define" and (entry.memory or entry.table or (entry.global_ and entry.global_.mutable)):
            raise ImportedState(
                "what a preloaded module shares with the guest can't become the output's own",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Use `--imports keep` or `--imports restore`.",
            )


def state_warnings(module: Module, preloads: Mapping[str, Module]) -> tuple[BuildWarning, ...]:
    """One for each preloaded module with state of its own, which no output holds: what the guest shares is captured."""
    found = []
    for name, preload in preloads.items():
        shared = shared_with(module, name, preload)
        kinds = {
            "memory": (ExternKind.MEMORY, range(preload.imported_memories, len(preload.memories))),
            "table": (ExternKind.TABLE, range(preload.imported_tables, len(preload.tables))),
            "mutable global": (
                ExternKind.GLOBAL,
                [i for i in range(preload.imported_globals, len(preload.globals)) if preload.globals[i].mutable],
            ),
        }
        own = [f"{label} {index}" for label, (kind, indices) in kinds.items() for index in indices
               if (kind, index) not in shared]  # fmt: skip
        if own:
            shown = ", ".join(own[:3]) + (f" and {len(own) - 3} more" if len(own) > 3 else "")
            found.append(
                BuildWarning(
                    "preload-state",
                    f"the preloaded module {quoted(name)} has state of its own ({shown}), which the output does not "
                    "hold: what the initializer did to it is lost",
                    "Preload a module without state, or have the output's host bring its own up to the same point.",
                )
            )
    return tuple(found)


def without_names(module: Module) -> bytes:
    """The module without custom sections, under the name that tells its frames from the guest's."""
    view = memoryview(module.data)
    kept: list[list[bytes | memoryview]] = [
        [view[section.header : section.end]] for section in module.sections if section.id != SectionId.CUSTOM
    ]
    return write.assemble([*kept, write.module_name(GENERATED)])
