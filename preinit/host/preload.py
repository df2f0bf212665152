"""Modules that provide imports of the guest while it initializes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..binary import encoder as write
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind
from ..engine.guest import GENERATED
from ..errors import ImportedState, Misfit, printable, quoted
from ..options import Options
from ..result import Warning


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


def state_warnings(module: Module, preloads: Mapping[str, Module]) -> tuple[Warning, ...]:
    """One for each preloaded module with state of its own, which no output holds: what the guest shares is captured."""
    found = []
    for name, preload in preloads.items():
        used = {entry.name for entry in module.imports if entry.module == name}
        shared = {(export.kind, export.target) for export in preload.exports if export.name in used}
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
                Warning(
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
    name = write.name(GENERATED)
    return write.assemble([*kept, write.custom_section("name", b"\0" + write.uleb(len(name)) + name)])
