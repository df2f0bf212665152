"""Gathering what the passes found into a Report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .advice import warnings
from .binary.constexpr import constant
from .binary.module import Module, SectionId, parse
from .host import World
from .initializers import Call
from .options import Options
from .result import (
    REPORT_VERSION,
    HostFacts,
    MemoryFacts,
    ModuleFacts,
    Report,
    RunFacts,
    SnapshotFacts,
)
from .rewrite import Plan, Rewritten
from .snapshot import Snapshot
from .version import VERSION

#: The level at which sizes are compared: gzip's own default.
GZIP_LEVEL = 6


def module_facts(module: Module, measure_gzip: bool) -> ModuleFacts:
    """Hash and sizes of a module."""
    sections: dict[str, int] = {}
    for section in module.sections:
        label = f"custom:{section.title}" if section.id == SectionId.CUSTOM else SectionId(section.id).name.lower()
        sections[label] = sections.get(label, 0) + section.end - section.header
    return ModuleFacts(
        hashlib.sha256(module.data).hexdigest(),
        len(module.data),
        sections,
        _gzip_size(module.data) if measure_gzip else None,
    )


def _gzip_size(data: bytes) -> int:
    import gzip

    return len(gzip.compress(data, GZIP_LEVEL, mtime=0))


def _snapshot_facts(module: Module, snapshot: Snapshot, rewritten: Rewritten) -> SnapshotFacts:
    memories = []
    for index, (limits, state) in enumerate(zip(module.memories, snapshot.memories, strict=True)):
        runs = [run for run in rewritten.runs if run.memory == index]
        written = sum(run.end - run.start for run in runs)
        memories.append(MemoryFacts(index, limits.minimum, state.pages, limits.page_size, len(runs), written))
    changed = []
    for index, bits in snapshot.globals.items():
        initializer = module.globals[index].initializer
        if initializer and initializer.raw != constant(module.globals[index].type, bits):
            changed.append(index)
    return SnapshotFacts(
        tuple(memories),
        len(snapshot.globals),
        tuple(changed),
        rewritten.segments,
        tuple(sorted(snapshot.dropped_data)),
    )


def _code_offset(module: Module) -> int | None:
    section = module.section(SectionId.CODE)
    return section.start if section else None


def make_report(
    module: Module,
    calls: Sequence[Call],
    plan: Plan,
    snapshot: Snapshot,
    runs: tuple[RunFacts, ...],
    compiler: str,
    world: World,
    rewritten: Rewritten,
    options: Options,
    passes: dict[str, float],
) -> Report:
    """The report of a build that succeeded."""
    output = parse(rewritten.wasm)
    moved = _code_offset(module) != _code_offset(output)
    return Report(
        version=REPORT_VERSION,
        preinit=VERSION,
        layout=options.layout,
        compiler=compiler,
        input=module_facts(module, options.measure_gzip),
        output=module_facts(output, options.measure_gzip),
        runs=runs,
        passes=passes,
        snapshot=_snapshot_facts(module, snapshot, rewritten),
        host=HostFacts(dict(sorted(world.calls.items())), world.random_bytes),
        warnings=warnings(module, snapshot, calls, plan.exports, moved),
    )
