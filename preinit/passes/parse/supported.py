"""What is refused before anything is compiled: what would abort the engine, or could not be written back."""

from __future__ import annotations

from ...binary.module import Module, SectionId
from ...binary.sections import Import
from ...binary.types import FuncType
from ...engine.runtime import TABLE_ELEMENTS
from ...engine.validation import check
from ...errors import (
    ImportedState,
    InvalidModule,
    MemoryLimit,
    Misfit,
    Unsupported,
    UnsupportedProposal,
    counted,
    exactly,
    printable,
    quoted,
)
from ...options import Options
from ...options.hints import few_of

#: Engines take 100 memories and 100 tables; a few are added to the copy that is run.
MOST_MEMORIES, MOST_TABLES = 99, 90


def check_supported(module: Module, options: Options) -> None:
    """Refuses what would abort the engine, or can't be written back yet.

    Raises an `Unsupported`, `MemoryLimit`; `InvalidModule` where a size is one that no module may have.
    """
    if module.types.has_continuations:
        raise UnsupportedProposal("the module uses stack switching, which the engine can't run")
    if module.start is not None and module.function_type(module.start) != FuncType((), ()):
        # The copy that runs has no start section, so the engine would not notice.
        count, section = len(module.function_types), module.section(SectionId.START)
        wrong = f"has type {module.function_type(module.start)}, not () -> ()"
        if module.start >= count:
            wrong = f"does not exist: there are {count:,} functions"
        where = f"byte offset {section.start:#x}" if section else None
        raise InvalidModule(f"the start function {module.start} {wrong}", where=where)
    for entry in module.imports:
        if entry.memory and entry.memory.shared and options.imports != "define":
            raise ImportedState(
                "the module imports a shared memory: each further instance, a thread, would overwrite what is in use",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Make it the module's own, where only one instance uses it: `--imports define`.",
            )
    _check_imported_once(module, options)
    imported = dict.fromkeys(f"{entry.module}.{entry.name}" for entry in module.imports if entry.global_)
    unknown = next((name for name, _ in options.import_globals if name not in imported), None)
    if unknown is not None:
        known = few_of({name: quoted(name) for name in imported}, unknown)
        raise Misfit(
            f"the module imports no global {quoted(unknown)}",
            hint=(f"It imports {known}. " if known else "It imports none. ") + "Write it as MODULE.NAME=VALUE.",
        )
    if options.stubs:
        from ...host.stubs import stub_bodies

        stub_bodies(module, options.stubs)
    if _needs_room(module, options):
        check(module.data)  # a size that no module may have is not for our limits to say
    limit = exactly(options.max_memory)
    for index, memory in enumerate(module.memories):
        size = memory.minimum * memory.page_size
        if memory.shared and (memory.maximum or 0) * memory.page_size > options.max_memory:
            most = (memory.maximum or 0) * memory.page_size  # the engine's own limits don't hold for shared memories
            raise MemoryLimit(
                f"shared memory {index} may grow to {exactly(most)}, the limit is {exactly(options.max_memory)}"
            )
        if size > options.max_memory:
            raise MemoryLimit(f"memory {index} starts with {exactly(size)}, the limit is {limit}")
    check_room(module, options)
    if len(module.memories) > MOST_MEMORIES or len(module.tables) > MOST_TABLES:
        raise Unsupported(
            f"the module has {counted(len(module.memories), 'memory', 'memories')} and "
            f"{counted(len(module.tables), 'table')}, of which preinit takes {MOST_MEMORIES} and {MOST_TABLES}: "
            "it adds some of its own while the initializer runs",
            hint="Use fewer.",
        )


def _needs_room(module: Module, options: Options) -> bool:
    """Whether some limit of the options, or of preinit, does not allow what the module has."""
    sizes = [(memory.minimum, memory.maximum or 0)[memory.shared] * memory.page_size for memory in module.memories]
    elements = sum(table.limits.minimum for table in module.tables)
    many = len(module.memories) > MOST_MEMORIES or len(module.tables) > MOST_TABLES
    return sum(sizes) > options.max_memory or elements > TABLE_ELEMENTS or many


def check_room(module: Module, options: Options, size: int = 0, elements: int = 0) -> None:
    """Refuses what starts with more than all memories, and all tables, may have. Raises `MemoryLimit`.

    `size`: bytes, and `elements`: elements that other modules bring along.
    """
    size += sum(memory.minimum * memory.page_size for memory in module.memories)
    if size > options.max_memory:
        raise MemoryLimit(
            f"the memories start with {exactly(size)} together, the limit is {exactly(options.max_memory)}"
        )
    elements += sum(table.limits.minimum for table in module.tables)
    if elements > TABLE_ELEMENTS:
        raise MemoryLimit(
            f"the tables start with {counted(elements, 'element')}, the limit is {TABLE_ELEMENTS}",
            hint="Make them smaller.",
        )


def _check_imported_once(module: Module, options: Options) -> None:
    """One thing may be imported twice, under one type, as long as it stays one."""
    seen: dict[tuple[str, str], Import] = {}
    for entry in module.imports:
        if not (entry.memory or entry.table or entry.global_):
            continue
        other = seen.setdefault((entry.module, entry.name), entry)
        if other is not entry and (other != entry or options.imports == "define"):
            raise ImportedState(
                "the module imports one thing twice, under different types or to be defined: it would become two",
                where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                hint="Import it once, or under one type with `--imports keep`.",
            )
