"""Does the output keep its budgets? If not: what takes most of each."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ...binary.module import Module, Section, SectionId, read_sections
from ...binary.rope import Rope
from ...errors import BudgetExceeded, Excess, quoted
from ...options import Options
from ...result import MemoryFacts, Report
from ..rewrite import Rewritten, Run
from .sizes import PAGE, pages

#: Contributors that a message names, of each kind.
_FEW = 5
_FEWER = 3

#: Bytes of memory that are shown as one part of it.
_PART = 1 << 20

Contributors = list[tuple[str, int | None]]


def check_budgets(report: Report, module: Module, rewritten: Rewritten, options: Options) -> None:
    """Raises `BudgetExceeded` with all that the output exceeds. `module`: the input, whose functions the output has."""
    memories = report.snapshot.memories
    compressed = report.output.gzip_size or 0
    measured: dict[str, tuple[int, str, Callable[[], Contributors]]] = {
        "max_size": (len(rewritten.written), "bytes", lambda: _of_size(report, module, rewritten)),
        "max_gzip": (compressed, "bytes", lambda: _of_gzip(rewritten.written)),
        "max_segments": (report.snapshot.data_segments, "segments", lambda: _of_segments(memories, rewritten)),
        "max_memory_pages": (sum(map(pages, memories)), "pages", lambda: _of_pages(memories, rewritten)),
    }
    excesses = []
    for name, limit in options.budgets.items():
        actual, unit, contributors = measured[name]
        if actual > limit:
            excesses.append(Excess(name.replace("_", "-"), limit, actual, unit, tuple(contributors())))
    if excesses:
        raise BudgetExceeded(tuple(excesses), _hint({excess.budget for excess in excesses}, options))


def _hint(names: set[str], options: Options) -> str:
    """What makes an output smaller in those respects; raising the budget comes last."""
    ways = []
    if "max-segments" in names and options.layout != "few":
        ways.append("build with the layout `few`")
    if names & {"max-size", "max-gzip"}:
        if options.layout not in ("size", "gzip"):
            ways.append(f"build with the layout `{'size' if 'max-size' in names else 'gzip'}`")
        ways.append("strip names and debug information from the input")
    ways.append("have the initializer leave less in memory")
    return f"{', '.join(ways)}, or raise the budget.".capitalize()


def _of_size(report: Report, module: Module, rewritten: Rewritten) -> Contributors:
    """The largest sections; of the two that matter most, the largest functions and parts of memory."""
    before = report.input.sections
    largest = sorted(report.output.sections.items(), key=lambda item: -item[1])[:_FEW]
    found: Contributors = []
    for label, size in largest:
        title = f"custom section {quoted(label.removeprefix('custom:'))}" if ":" in label else f"{label} section"
        change = size - before.get(label, 0)
        found.append((f"{title} ({change:+,} since the input)" if change else title, size))
        if label == "code":
            found += _functions(module)
        elif label == "data":
            found += _parts(piece for run in rewritten.runs for piece in _cut(run))
    return found


def _functions(module: Module) -> Contributors:
    sizes = {module.imported_functions + i: body.end - body.entry for i, body in enumerate(module.bodies)}
    largest = sorted(sizes, key=lambda index: -sizes[index])[:_FEWER]
    names = module.function_names(largest)
    return [
        (f"  function {index}" + (f", {quoted(names[index])}" if index in names else ""), sizes[index])
        for index in largest
    ]


def _parts(amounts: Iterable[tuple[int, int, int]]) -> Contributors:
    """Parts of memory that have most of the amounts: memory, address, how much is there."""
    parts: Counter[tuple[int, int]] = Counter()
    for memory, address, amount in amounts:
        parts[memory, address // _PART] += amount
    return [
        (f"  memory {memory}, {part * _PART:#x} to {(part + 1) * _PART:#x}", amount)
        for (memory, part), amount in parts.most_common(_FEWER)
    ]


def _cut(run: Run) -> Iterator[tuple[int, int, int]]:
    """The bytes of a run, cut where a part of memory ends."""
    start = run.start
    while start < run.end:
        end = min(run.end, (start // _PART + 1) * _PART)
        yield run.memory, start, end - start
        start = end


def _of_gzip(written: Rope) -> Contributors:
    """The sections that are largest when each is compressed alone, which is nearly what they take together."""
    sizes = []
    for section in read_sections(written):
        content = written.part(section.header, section.end)
        sizes.append((f"{_title(section)}, compressed alone", len(zlib.compress(content, 6))))
    return [*sorted(sizes, key=lambda item: -item[1])[:_FEW]]


def _title(section: Section) -> str:
    return f"custom section {quoted(section.title)}" if section.id == SectionId.CUSTOM else section.label


def _of_segments(memories: tuple[MemoryFacts, ...], rewritten: Rewritten) -> Contributors:
    found: Contributors = [(f"memory {m.index}", m.segments) for m in memories if m.segments]
    return found[:_FEW] + _parts((run.memory, run.start, 1) for run in rewritten.runs)


def _of_pages(memories: tuple[MemoryFacts, ...], rewritten: Rewritten) -> Contributors:
    found: Contributors = []
    for memory in sorted(memories, key=pages, reverse=True)[:_FEW]:
        before = -(-memory.pages_before * memory.page_size // PAGE)
        grown = pages(memory) - before
        said = f", {grown:,} of them grown by the initializer" if grown else ", as in the input"
        found.append((f"memory {memory.index}{said}", pages(memory)))
        ends = [run.end for run in rewritten.runs if run.memory == memory.index]
        if ends:
            found.append((f"  {memory.bytes_written:,} bytes are in use, the last at {max(ends) - 1:#x}", None))
    return found
