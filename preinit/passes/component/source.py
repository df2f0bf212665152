"""A component, read, with its core modules; and what is refused at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from ...binary.component import Component, read_component
from ...binary.component.recipe import Import
from ...binary.digest import sha256
from ...binary.mapped import give_back
from ...binary.module import Module, parse
from ...engine.runtime import TABLE_ELEMENTS, Deadline
from ...errors import EngineLimit, MemoryLimit, Misfit, PreinitError, Unsupported, counted, exactly, quoted
from ...files.mapped import part_of
from ...options import Options
from ...tuples import NamedTuple
from ..parse.supported import check_supported

#: Core modules that a component may have.
_MOST_MODULES = 1_000


class CorePart(NamedTuple):
    """A core module of a component, the `number`th in the file."""

    number: int
    start: int
    module: Module

    @property
    def title(self) -> str:
        return f"core module {self.number}"


class ComponentSource:
    """`parts`: the core modules, also those of components within, by where their bytes begin."""

    def __init__(self, component: Component, parts: dict[int, CorePart]) -> None:
        self.component = component
        self.parts = parts

    @property
    def data(self) -> bytes:
        return self.component.data

    @cached_property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return sha256(self.data).hex()


def read_component_source(data: bytes, options: Options, deadline: Deadline) -> ComponentSource:
    """Reads a component and its core modules. Raises an `InputError`, `UsageError`, `TimeLimit`."""
    check_options(options)
    return deadline.start(lambda: _read(data)).result()


def _read(data: bytes) -> ComponentSource:
    component = read_component(data)
    places = list(component.core_modules())
    if len(places) > _MOST_MODULES:
        raise EngineLimit(f"the component has {counted(len(places), 'core module')}, preinit takes {_MOST_MODULES:,}")
    parts = {}
    for number, (start, end) in enumerate(places):
        try:
            parts[start] = CorePart(number, start, parse(part_of(data, start, end), libraries=True))
        except PreinitError as problem:
            raise placed(problem, number, start) from None
    give_back(data)  # of which the core modules, nearly all of it, are copies now
    for entry in component.definitions:
        if isinstance(entry.definition, Import) and entry.definition.type.sort in ("core module", "component"):
            raise Unsupported(
                f"the component imports a {entry.definition.type.sort}, {quoted(entry.definition.name)}, "
                "which there is none of at build time",
                where=f"byte offset {entry.start:#x}",
                hint="Compose it with the component that has it (`wac plug`), then build that.",
            )
    return ComponentSource(component, parts)


_OFFSET = re.compile(r"byte offset (0x[0-9a-f]+)")


def placed(problem: PreinitError, number: int, start: int) -> PreinitError:
    """An error about a core module, with offsets of the component's file."""
    where = _OFFSET.sub(lambda match: f"byte offset {int(match[1], 0) + start:#x}", problem.where or "")
    problem.where = f"core module {number} of the component" + (f", {where}" if where else "")
    return problem


def check_parts(source: ComponentSource, instances: Sequence[int], options: Options) -> None:
    """Refuses what would abort the engine, or can't be written back. `instances`: where the module of each begins."""
    for start in dict.fromkeys(instances):
        part = source.parts[start]
        try:
            check_supported(part.module, options)
        except PreinitError as problem:
            raise placed(problem, part.number, start) from None
    size, elements = starts_with(source, instances)
    if size > options.max_memory:
        raise MemoryLimit(
            f"the component's memories start with {exactly(size)} together, the limit is {exactly(options.max_memory)}"
        )
    if elements > TABLE_ELEMENTS:
        raise MemoryLimit(
            f"the component's tables start with {counted(elements, 'element')}, the limit is {TABLE_ELEMENTS}",
            hint="Make them smaller.",
        )


def starts_with(source: ComponentSource, instances: Sequence[int]) -> tuple[int, int]:
    """Bytes of memories and elements of tables that these instances of modules define, as they start."""
    size = elements = 0
    for start in instances:
        module = source.parts[start].module
        size += sum(one.minimum * one.page_size for one in module.memories[module.imported_memories :])
        elements += sum(table.limits.minimum for table in module.tables[module.imported_tables :])
    return size, elements


#: Options that components can't be built with: the field, what it is when nobody gave it, its flag, and what to do
#: instead.
_FOREIGN = (
    ("pause_at", None, "--pause-at", "Have an exported function do what comes before that point; run it with `-f`."),
    ("reopen", False, "--reopen", "Have instances open their files: no handle of the build is one there."),
    ("replay_output", False, "--replay-output", "Have an export print that in each instance."),
    (
        "preloads", (), "--preload",
        "Compose the component with the one that provides the import (`wac plug`), then build that.",
    ),
    (
        "stubs", (), "--stub",
        "Leave it out: an import that is not called needs none. Or compose the component with one that answers "
        "(`wac plug`), and build that.",
    ),
    ("import_globals", (), "--import-global", "Leave it out: components import no globals."),
    ("allocator", None, "--allocator", "Leave it out: the component names the function that makes space itself."),
    (
        "rename_funcs", (), "--rename-func",
        "Leave it out: a component's exports are those of its world. Name them in its WIT.",
    ),
    ("late", None, "--late", "Ask for the environment and arguments in a function that instances call."),
    ("late_room", None, "--late-room", "Leave it out: components have no `--late`."),
    ("imports", "keep", "--imports", "Leave it out: core modules import only what the component gives them."),
    ("scrub_stack", False, "--scrub-stack", "Leave it out: it is made for one module with one stack."),
)  # fmt: skip
_FOREIGN_TO_HOST = (
    ("late_dirs", (), "--late-dir", "Leave it out: an adapter from preview 1 looks for its folders in each instance."),
    (
        "functions", (), "functions",
        "Compose the component with one that provides the import (`wac plug`), then build that.",
    ),
)  # fmt: skip


def check_options(options: Options) -> None:
    """Refuses options that components can't be built with. Raises `Misfit`."""
    given = [(flag, hint) for name, usual, flag, hint in _FOREIGN if getattr(options, name) != usual]
    given += [(flag, hint) for name, usual, flag, hint in _FOREIGN_TO_HOST if getattr(options.host, name) != usual]
    if options.keep_init_func == "noop":
        given.append(("--keep-init-func=noop", "Use `--keep-init-func`: the function stays as it is."))
    if given:
        flag, hint = given[0]
        raise Misfit(f"`{flag}` can't be used with a component", hint=f"{hint} See docs/components.md.")
