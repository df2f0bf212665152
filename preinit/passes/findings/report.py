"""Gathering what the passes found into a Report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...binary.module import Module, Section, SectionId, read_sections
from ...options import Options
from ...options.record import record
from ...result import (
    REPORT_VERSION,
    BuildWarning,
    Difference,
    MemoryFacts,
    ModuleFacts,
    Report,
    ScrubFacts,
    SnapshotFacts,
)
from ...version import VERSION
from ..late.runtimes import GO_HINTS, is_go
from ..plan.job import Job
from ..rewrite import Rewritten
from ..snapshot import Snapshot
from .leaks import leaks
from .module import assumed_stack_pointers, module_warnings
from .pause import pause_facts, pause_warnings
from .proposals import proposal_warnings
from .results import result_warnings
from .sizes import gzip_size
from .unused import unused_options
from .world import hazards, hinted

if TYPE_CHECKING:
    from ...binary.rope import Rope
    from ..late import Late
    from ..run.paused import Paused


def _state_of_preloads(job: Job) -> Sequence[BuildWarning]:
    if not job.preloads:
        return ()
    from ...host.preload import state_warnings

    return state_warnings(job.module, job.preloads)


def _of_late(late: Late | None) -> Iterable[BuildWarning]:
    if late is None:
        return ()
    from .late import late_warnings

    return late_warnings(late)


def _again(options: Options) -> str:
    """The options that have the initializer run more than once, as Python has them: only there are functions."""
    return " and ".join(
        name for name, given in (("`late`", "env" in options.wants_late), ("`audit`", options.audit)) if given
    )


def module_facts(data: bytes | Rope, sha256: str, found: Sequence[Section], measure_gzip: bool) -> ModuleFacts:
    """Sizes of a module, `data`, with the sections `found` in it."""
    sections: dict[str, int] = {}
    for section in found:
        label = f"custom:{section.title}" if section.id == SectionId.CUSTOM else SectionId(section.id).name.lower()
        sections[label] = sections.get(label, 0) + section.end - section.header
    return ModuleFacts(
        sha256,
        len(data),
        sections,
        gzip_size(data) if measure_gzip else None,
    )


def snapshot_facts(module: Module, snapshot: Snapshot, rewritten: Rewritten) -> SnapshotFacts:
    """What the output holds of the snapshot."""
    memories = []
    for index, (limits, state) in enumerate(zip(module.memories, snapshot.memories, strict=True)):
        segments, written = rewritten.held(index)
        image = rewritten.images.of(index)
        memories.append(MemoryFacts(index, limits.minimum, state.pages, limits.page_size, segments, written, *image))
    numbers, before = snapshot.globals.numbers, snapshot.globals.numbers_before
    changed = [index for index, bits in numbers.items() if bits != before[index]]
    return SnapshotFacts(
        tuple(memories),
        len(numbers),
        tuple(changed),
        rewritten.segments,
        tuple(sorted(snapshot.segments.dropped_data)),
    )


def code_offset(sections: Sequence[Section]) -> int | None:
    """Where the content of the code section begins; None where there is none."""
    return next((section.start for section in sections if section.id == SectionId.CODE), None)


def find(
    job: Job,
    paused: Paused,
    snapshot: Snapshot,
    output: Rewritten,
    scrubbed: ScrubFacts | None,
    differences: tuple[Difference, ...] | None,
    late: Late | None,
    passes: dict[str, float],
) -> Report:
    """The report of a build. `scrubbed`, `differences`: what scrubbing the stack and an audit found; `late`: what the
    output fetches when it starts."""
    module, options = job.module, job.options
    written = read_sections(output.written)
    pause = pause_facts(job, paused, snapshot.frames, output)
    compressed, digests = options.measure_gzip or options.max_gzip is not None, options.digest_modules
    moved = code_offset(module.sections) != code_offset(written)
    return Report(
        version=REPORT_VERSION,
        preinit=VERSION,
        layout=options.layout,
        engine=paused.engine,
        input=module_facts(module.data, module.sha256 if digests else "", module.sections, options.measure_gzip),
        output=module_facts(output.written, output.sha256 if digests else "", written, compressed),
        runs=paused.runs,
        passes=passes,
        snapshot=snapshot_facts(module, snapshot, output),
        host=paused.host,
        options=record(options, job.preloads),
        warnings=(
            *module_warnings(job, snapshot, moved),
            *assumed_stack_pointers(paused.runs),
            *_state_of_preloads(job),
            *proposal_warnings(module, output.written, written),
            *result_warnings(job.calls[: len(paused.returned)], paused.returned, job.entries),
            *hinted(
                hazards(
                    paused.host,
                    late.facts if late else None,
                    reopened=bool(snapshot.frames.files),
                    again=_again(options),
                ),
                GO_HINTS if is_go(module) else {},
            ),
            *(pause_warnings(pause) if pause else ()),
            *_of_late(late),
            *leaks(
                module,
                options.host,
                snapshot,
                output.runs,
                late.facts if late else None,
                {file.path for file in paused.host.files},
            ),
        ),
        audit=differences,
        scrub_stack=scrubbed,
        late=late.facts if late else None,
        pause=pause,
        unused=unused_options(job, paused.host),
    )
