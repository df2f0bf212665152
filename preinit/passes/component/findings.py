"""What is to be said about a component's build: warnings, handles that are lost, the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...binary.component import Component
from ...binary.component.reader import CUSTOM
from ...binary.rope import Rope
from ...engine.component.linked import LinkedInstance
from ...engine.values import RawFrame
from ...errors import BudgetExceeded, Excess, WarningsRefused, counted
from ...options import Options
from ...options.record import record
from ...records import replaced
from ...result import (
    REPORT_VERSION,
    BuildWarning,
    ComponentFacts,
    CoreInstanceFacts,
    HandleFacts,
    MemoryFacts,
    ModuleFacts,
    Report,
    SnapshotFacts,
)
from ...tuples import NamedTuple
from ...version import VERSION
from ..findings.accepted import refused_warnings
from ..findings.leaks import leaks
from ..findings.sizes import gzip_size, pages
from ..findings.world import callers_text, hazards, hinted
from ..rewrite import Rewritten
from .capture import Captured
from .run import PausedComponent
from .seen import Seen
from .source import ComponentSource

_SECTIONS = (
    "custom", "core module", "core instance", "core type", "component", "instance", "alias", "type", "canon", "start",
    "import", "export",
)  # fmt: skip

#: What to do about what a component keeps, where that is something else than for a module.
_HINTS = {
    "environment-frozen": "Ask for it in an export that instances call, not in the initializer; never give secrets.",
    "arguments-frozen": "Read the arguments in an export that instances call, not in the initializer.",
    "folders-frozen": "Have instances look for their own folders: an adapter from preview 1 does, a C library of 0.2 "
    "that has listed them does not.",
    "descriptors-open": "Close files before the initializer ends.",
}


class Output(NamedTuple):
    """What was written, and as it was read again; SHA-256 of the input and of it, in hex, where they were asked for;
    exports that it lacks."""

    written: Rope
    component: Component
    digests: tuple[str, str]
    removed: frozenset[str]


def find_component(
    source: ComponentSource,
    paused: PausedComponent,
    captured: Captured,
    rewritten: dict[LinkedInstance, Rewritten],
    output: Output,
    options: Options,
    passes: dict[str, float],
) -> Report:
    """The report of a build."""
    compressed = options.measure_gzip or options.max_gzip is not None
    handles = tuple(_lost_handles(source, paused))
    instances = tuple(_instance_facts(source, paused, captured, rewritten))
    facts = ComponentFacts(instances, sum(map(len, captured.fixes.values())), tuple(sorted(output.removed)), handles)
    warnings = list(hinted(hazards(paused.host), _HINTS))
    for instance, state in captured.states.items():
        if instance in rewritten:
            found = leaks(instance.module, options.host, state, rewritten[instance].runs)
            module = source.parts[instance.base].title
            warnings += [replaced(one, message=f"{one.message} of {module}") for one in found]
    return Report(
        version=REPORT_VERSION,
        preinit=VERSION,
        layout=options.layout,
        engine=paused.engine,
        input=_facts(source.component, source.data, output.digests[0], options.measure_gzip),
        output=_facts(output.component, output.written, output.digests[1], compressed),
        runs=paused.runs,
        passes=passes,
        snapshot=_snapshot_facts(captured, rewritten),
        host=paused.host,
        options=record(options, {}),
        warnings=(*warnings, *_handle_warnings(handles)),
        component=facts,
        unused=tuple(_unused(options, paused)),
    )


def _facts(component: Component, data: bytes | Rope, sha256: str, measure_gzip: bool) -> ModuleFacts:
    sections: dict[str, int] = {}
    for section in component.sections:
        label = f"custom:{section.title}" if section.id == CUSTOM else _SECTIONS[section.id]
        sections[label] = sections.get(label, 0) + section.end - section.header
    return ModuleFacts(sha256, len(data), sections, gzip_size(data) if measure_gzip else None)


def _snapshot_facts(captured: Captured, rewritten: dict[LinkedInstance, Rewritten]) -> SnapshotFacts:
    """Memories and globals of all core instances, numbered on."""
    memories: list[MemoryFacts] = []
    changed: list[int] = []
    globals_ = segments = 0
    for instance, state in captured.states.items():
        module, output = instance.module, rewritten[instance]
        for index in range(module.imported_memories, len(module.memories)):
            limits, memory = module.memories[index], state.memories[index]
            sizes = (limits.minimum, memory.pages, limits.page_size, *output.held(index))
            memories.append(MemoryFacts(len(memories), *sizes, *output.images.of(index)))
        numbers, before = state.globals.numbers, state.globals.numbers_before
        changed += [globals_ + place for place, index in enumerate(numbers) if numbers[index] != before[index]]
        globals_ += len(numbers)
        segments += output.segments
    return SnapshotFacts(tuple(memories), globals_, tuple(changed), segments, ())


def _instance_facts(
    source: ComponentSource,
    paused: PausedComponent,
    captured: Captured,
    rewritten: dict[LinkedInstance, Rewritten],
) -> Iterator[CoreInstanceFacts]:
    for instance in paused.cores.instances:
        part = source.parts[instance.base]
        size = len(part.module.data)
        state = "pristine" if instance in captured.pristine else "written" if instance in rewritten else "unchanged"
        after = len(rewritten[instance].written) if instance in rewritten else size
        yield CoreInstanceFacts(part.number, state, size, after)


# -- handles


def _lost_handles(source: ComponentSource, paused: PausedComponent) -> Iterator[HandleFacts]:
    """Handles that are alive, but for those of adapters: these make their own again."""
    seen = Seen(source, paused.cores)
    for scope in paused.machine.scopes:
        for handle in scope.handles.alive():
            frames: Sequence[RawFrame] = handle.made if isinstance(handle.made, tuple) else ()
            if not seen.is_adapter(frames):
                yield HandleFacts(handle.type.name, seen.frames(frames))


#: Handles that a message lists.
_MOST_LISTED = 3


def _handle_warnings(handles: tuple[HandleFacts, ...]) -> Iterator[BuildWarning]:
    if not handles:
        return
    shown = [f"`{found.resource}`{_made(found)}" for found in handles[:_MOST_LISTED]]
    more = f" and {len(handles) - len(shown):,} more" if len(handles) > len(shown) else ""
    yield BuildWarning(
        "handles-open",
        f"the initializer left {counted(len(handles), 'handle')} open: {', '.join(shown)}{more}; no instance has them, "
        "and using one there traps",
        "Drop them before the initializer ends, or take the first one of each in an export that instances call.",
    )


def _made(found: HandleFacts) -> str:
    said = callers_text(found.made_in, "made in")
    return f" ({said})" if said else ""


# -- what was given and not used


def _unused(options: Options, paused: PausedComponent) -> Iterator[str]:
    from ...options.hints import option

    host, facts = options.host, paused.host
    for folder, guest_path in host.dirs:
        if guest_path not in facts.folders_used:
            yield option("--dir", folder if folder == guest_path else f"{folder}::{guest_path}")
    if not facts.environment_read:
        yield from (option("--env", name) for name, _ in host.env)
    if not facts.arguments_read:
        yield from (option("--arg", text) for text in host.args)
    if host.stdin and not facts.stdin_read:
        yield "--stdin"


# -- whether the output is accepted


def check_component_accepted(report: Report, options: Options) -> None:
    """Raises `WarningsRefused` for warnings in a strict build, `BudgetExceeded` for an output that is too large."""
    if options.strict and (refused := refused_warnings(report, options.accept)):
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in refused))
    excesses = []
    for name, limit, actual in (
        ("max-size", options.max_size, report.output.size),
        ("max-gzip", options.max_gzip, report.output.gzip_size or 0),
        ("max-segments", options.max_segments, report.snapshot.data_segments),
        ("max-memory-pages", options.max_memory_pages, sum(map(pages, report.snapshot.memories))),
    ):
        if limit is not None and actual > limit:
            excesses.append(Excess(name, limit, actual, *_largest(name, report)))
    if excesses:
        raise BudgetExceeded(tuple(excesses), "Have the initializer leave less in memory, or raise the budget.")


def _largest(budget: str, report: Report) -> tuple[str, tuple[tuple[str, int | None], ...]]:
    """The unit of a budget, and what takes most of it."""
    memories = list(enumerate(report.snapshot.memories))
    unit, found = "bytes", [(f"{label} sections", size) for label, size in report.output.sections.items()]
    if budget == "max-segments":
        unit, found = "segments", [(f"memory {number}", memory.segments) for number, memory in memories]
    elif budget == "max-memory-pages":
        unit, found = "pages", [(f"memory {number}", pages(memory)) for number, memory in memories]
    return unit, tuple(sorted(found, key=lambda item: -item[1])[:_MOST_NAMED])


#: Contributors to a budget that a message names.
_MOST_NAMED = 5
