"""Instantiating the preloaded modules that import what the guest exports, once there is a guest: see `lending`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..binary.module import Module
from ..binary.sections import Export, ExternKind
from ..engine.instance import Linkage
from ..engine.validation import first_line, link_problem
from ..engine.values import EngineError, GuestTrapped
from ..errors import Misfit, located, quoted
from .imports import Extern, Generated, Preloads
from .lending import borrowed_functions, lent


def link_late(
    module: Module,
    linkage: Linkage,
    lend: Callable[[Export], Extern],
    preloads: Preloads,
    generated: Generated,
    late: Sequence[int],
) -> dict[int, Extern]:
    """Has those imports provided that need the guest, once there is one; by position.

    `lend`: gives what the guest exports. Raises `Misfit`, `MemoryLimit`, what linking raises.
    """
    linkage.references += _instantiate(linkage, module, lend, preloads)
    entries = {position: module.imports[position] for position in late}
    found = {position: preloads.instances[entry.module, entry.name] for position, entry in entries.items()}
    for slot, extern in enumerate(found.values()):
        linkage.set_function(generated.late_functions, slot, extern)
    return found


def _instantiate(
    linkage: Linkage, guest: Module, lend: Callable[[Export], Extern], preloads: Preloads
) -> Iterator[tuple[int, Extern]]:
    """Gives indices of functions of the guest, and the references to them that the modules have."""
    functions = [entry for entry in guest.imports if entry.kind == ExternKind.FUNC]
    imported = {(entry.module, entry.name): index for index, entry in enumerate(functions)}
    for name in preloads.late:
        module = preloads.modules[name]
        externs: list[Extern] = []
        indices: list[int | None] = []  # in the guest, of the functions
        for entry in module.imports:
            extern = preloads.instances.get((entry.module, entry.name))
            index = imported.get((entry.module, entry.name))
            if extern is None:
                export = lent(guest, name, module, entry)
                extern, index = lend(export), export.target
            externs.append(extern)
            if entry.kind == ExternKind.FUNC:
                indices.append(index)
        try:
            found = preloads.instantiate(linkage, name, externs, *borrowed_functions(module).values())
        except GuestTrapped as trap:
            raise Misfit(
                f"the preloaded module {quoted(name)} can't be instantiated: {first_line(trap)}",
                hint="One of its active segments does not fit.",
            ) from trap
        except EngineError as problem:
            refused = link_problem(problem)
            located(refused, f"preloaded module {quoted(name)}")
            raise refused from problem
        yield from ((index, extern) for index, extern in zip(indices, found, strict=True) if index is not None)
