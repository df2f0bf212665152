"""Modules that provide imports of the guest while it initializes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..binary import encoder as write
from ..binary.cursor import Cursor
from ..binary.extend import extended_section
from ..binary.instructions import decoder
from ..binary.module import Module, SectionId
from ..binary.opcodes import MISC_PREFIX, code
from ..binary.sections import ExternKind, Mode
from ..engine.bounds import shared_with
from ..engine.guest import GENERATED
from ..errors import ImportedState, Misfit, printable, quoted
from ..options import Options
from ..options.hints import few_of
from ..result import BuildWarning
from .lending import GUEST, borrowed_functions, borrowers, check_lent, export_type, import_type, lends

#: `data.drop`, `elem.drop`.
_DATA_DROP, _ELEM_DROP = code(MISC_PREFIX, 0x09), code(MISC_PREFIX, 0x0D)
_SEGMENTS = {_DATA_DROP: "data segment", _ELEM_DROP: "element segment"}


def check(module: Module, preloads: Mapping[str, Module], options: Options) -> None:
    """Refuses preloaded modules that lack something, are not needed, or don't fit the module or the options.

    Raises `Misfit`, `ImportedState`.
    """
    check_needed(module, preloads)
    check_preloads(preloads.items())
    check_types(module, preloads)
    check_lent(module, preloads)
    check_uses(module, preloads, options)


def check_preloads(preloads: Iterable[tuple[str, Module]]) -> None:
    """A preloaded module may import what those before it and the guest export, and nothing else. Raises `Misfit`."""
    provided: set[tuple[str, str]] = set()
    known: set[str] = set()
    for name, module in preloads:
        for entry in module.imports:
            if (entry.module, entry.name) not in provided and not lends(entry, known):
                raise Misfit(
                    f"the preloaded module {quoted(name)} imports "
                    f"`{printable(entry.module)}.{printable(entry.name)}`, which no earlier one exports",
                    hint="Preload modules that need nothing from outside, each before the ones that import it. What "
                    f"the guest itself exports is imported from `{GUEST}`.",
                )
        known.add(name)
        provided.update((name, export.name) for export in module.exports)


def check_needed(module: Module, preloads: Mapping[str, Module]) -> None:
    """Refuses a preloaded module that provides nothing. Raises `Misfit`."""
    wanted = {(entry.module, entry.name) for holder in (module, *preloads.values()) for entry in holder.imports}
    for name, preload in preloads.items():
        if not any((name, export.name) in wanted for export in preload.exports):
            missing = {entry.name: quoted(entry.name) for entry in module.imports if entry.module == name}
            if missing:
                raise Misfit(
                    f"the preloaded module {quoted(name)} exports nothing that is imported from it",
                    hint=f"What is imported from {quoted(name)} is {few_of(missing, '')}: export that.",
                )
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
        wanted, found = import_type(module, entry), export_type(preloads[entry.module], export)
        if wanted and found and wanted != found:
            raise Misfit(
                f"the preloaded module {quoted(entry.module)} exports {quoted(entry.name)} as {found}, which is "
                f"incompatible with the import: {wanted}",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Preload a module whose exports have the types that the imports ask for.",
            )


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
        own += _dropped(preload)
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


def _dropped(module: Module) -> list[str]:
    """Segments that a module's code may drop: it can't take anything of them after that."""
    passive = {
        _DATA_DROP: {n for n, one in enumerate(module.data_segments) if one.mode is Mode.PASSIVE},
        _ELEM_DROP: {n for n, one in enumerate(module.elements) if one.mode is Mode.PASSIVE},
    }
    dropped: dict[int, set[int]] = {opcode: set() for opcode in passive}
    if any(passive.values()):
        for body in module.bodies:
            search = decoder(frozenset(), frozenset(_SEGMENTS)).search(module.data, body.start, body.end)
            if search.unknown is not None:
                return [f"{_SEGMENTS[opcode]} {n}" for opcode, indices in passive.items() for n in sorted(indices)]
            for found in search.found:
                at = Cursor(module.data, found.start, found.end, "function body")
                at.byte()  # the prefix
                at.u32()
                dropped[found.opcode].add(at.u32())
    return [
        f"{_SEGMENTS[opcode]} {n}" for opcode, indices in passive.items() for n in sorted(indices & dropped[opcode])
    ]


def code_of(preloads: Mapping[str, Module]) -> dict[str, bytes]:
    """What to compile of each: no custom sections, and the name that tells its frames from the guest's.

    Functions of the guest are exported again: a reference in there names them by an identity of its own.
    """
    late = borrowers(preloads)
    return {
        name: _code(module, borrowed_functions(module) if name in late else {}) for name, module in preloads.items()
    }


def _code(module: Module, exported: Mapping[int, str]) -> bytes:
    view = memoryview(module.data)
    kept: list[write.Pieces] = [
        [view[section.header : section.end]] for section in module.sections if section.id != SectionId.CUSTOM
    ]
    if exported:
        exports = [write.export(name, ExternKind.FUNC, index) for index, name in exported.items()]
        added = {SectionId.EXPORT: exports}
        kept = [extended_section(module, number, added.get(SectionId(number), [])) for number in write.SECTION_ORDER]
    return write.assemble([*kept, write.module_name(GENERATED)])
