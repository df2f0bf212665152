"""An inspection as text for people: aligned tables, sizes in KiB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

from ..errors import counted
from ..inspection.model import Added, ImageFacts, Inspection, MemoryMap
from .columns import columns
from .text import stored_text
from .units import hexadecimal, kib, short, signed, sized

T = TypeVar("T")

#: Rows of a table; JSON has them all.
_FEW = 20


def lines(found: Inspection, name: str) -> list[str]:
    """The whole inspection. `name`: what to call the module."""
    parts = [
        [f"{short(name)}: {kib(found.size)} KiB ({found.size:,} bytes)", f"SHA-256 {found.sha256}"],
        _added(found, found.against) if found.against else [],
        _sections(found),
        *(_memory(found, memory) for memory in found.memories),
        _data(found),
        _tables(found),
        _globals(found),
        _imports(found),
        _exports(found),
        _code(found),
        _frames(found),
        _producers(found),
    ]
    return list(chain.from_iterable([*part, ""] for part in parts if part))[:-1]


def _few(table: list[str], all_of_them: int, shown: int) -> list[str]:
    more = all_of_them - shown
    return [*table, f"  ... and {more:,} more: see --json"] if more > 0 else table


def _sections(found: Inspection) -> list[str]:
    rows = [
        (
            f"custom: {short(section.name)}" if section.custom else section.name,
            hexadecimal(section.offset),
            kib(section.size),
            f"{section.items:,}" if section.items is not None else "",
        )
        for section in found.sections[:_FEW]
    ]
    table = columns(("section", "offset", "KiB", "items"), rows, {1, 2, 3})
    return [counted(found.counts["sections"], "section"), *_few(table, found.counts["sections"], len(rows))]


def _frames(found: Inspection) -> list[str]:
    if not found.frames:
        return []
    rows = [
        (
            short(frame.name),
            str(frame.index),
            f"{frame.offset:,} of {frame.size:,}",
            str(frame.resumed),
            f"{frame.resumed_size:,}",
        )
        for frame in found.frames[:_FEW]
    ]
    table = columns(("function", "index", "byte", "goes on in", "bytes"), rows, {1, 2, 3, 4})
    added = sum(frame.resumed_size for frame in found.frames)
    title = f"paused with {counted(len(found.frames), 'active function')}, innermost first; {kib(added)} KiB go on"
    return [title, *_few(table, len(found.frames), len(rows))]


def memory_title(memory: MemoryMap) -> str:
    """A memory's size and kind in a line."""
    kinds = [
        *(["imported"] if memory.imported else []),
        *(["64-bit"] if memory.is_64 else []),
        *(["shared"] if memory.shared else []),
        *([f"at most {memory.maximum:,}"] if memory.maximum is not None else []),
        *([f"pages of {counted(memory.page_size, 'byte')}"] if memory.page_size != 1 << 16 else []),
    ]
    more = f" ({', '.join(kinds)})" if kinds else ""
    return f"memory {memory.index}: {counted(memory.pages, 'page')}, {sized(memory.pages * memory.page_size)}{more}"


def _memory(found: Inspection, memory: MemoryMap) -> list[str]:
    compared = found.against is not None
    title = f"{memory_title(memory)}; {sized(memory.bytes_set)} not zero"
    if compared:
        title += f", {sized(memory.bytes_changed)} changed"
    rows = []
    for run in memory.runs[:_FEW]:
        start, end = run.first_page * memory.page_size, (run.first_page + run.pages) * memory.page_size
        first, last = f"{run.first_page:,}", f"{run.first_page + run.pages - 1:,}"
        pages = first if run.pages == 1 else f"{first} to {last}"
        changed = (kib(run.bytes_changed),) if compared else ()
        where = short(run.name)
        rows.append((pages, hexadecimal(start), hexadecimal(end), run.state, kib(run.bytes_set), *changed, where))
    headings = (
        "pages",
        "from",
        "to",
        "state",
        "KiB not zero",
        *(("KiB changed",) if compared else ()),
        "what is there",
    )
    table = columns(headings, rows, {1, 2, 4, 5} if compared else {1, 2, 4})
    return [
        title,
        *image_lines(memory),
        *(_few(table, len(memory.runs), len(rows)) if rows else []),
    ]


def image_lines(memory: MemoryMap) -> list[str]:
    """Whether wasmtime maps the data of a large memory, and what decides that; what the start function stores."""
    stored = [f"  the start function stores {stored_text(memory.stored)}"] if memory.stored else []
    return [*([_image_line(memory.image)] if memory.image else []), *stored]


def _image_line(facts: ImageFacts) -> str:
    where = f"{sized(facts.data)} in {sized(facts.end - facts.first)}, {facts.first:#x} to {facts.end:#x}"
    if facts.prevented_by is not None:
        return (
            f"  wasmtime copies its data at each start: {where}; it would map it, if it could map that of memory "
            f"{facts.prevented_by}, too"
        )
    if not facts.missing:
        return f"  wasmtime maps its data: {where}"
    if facts.stray_first is None or facts.stray_end is None:
        decides = f"{sized(facts.missing)} of zeros more, and it would map it"
    else:
        decides = f"without what lies at {facts.stray_first:#x} to {facts.stray_end:#x}, it would map it"
    return f"  wasmtime copies its data at each start: {where}; {decides}"


def _largest(items: Sequence[T], size: str) -> list[T]:
    return sorted(items, key=lambda item: -getattr(item, size))[:_FEW]


def _data(found: Inspection) -> list[str]:
    number = found.counts["data_segments"]
    if not number:
        return ["no data segments"]
    rows = [
        (
            str(segment.index),
            segment.mode,
            "" if segment.memory is None else str(segment.memory),
            hexadecimal(segment.offset),
            kib(segment.size),
            short(segment.name),
        )
        for segment in _largest(found.data_segments, "size")
    ]
    table = columns(("index", "mode", "memory", "at", "KiB", "name"), rows, {0, 2, 3, 4})
    largest = ", the largest first" if number > 1 else ""
    return [
        f"{counted(number, 'data segment')}, {kib(found.data_bytes)} KiB{largest}",
        *_few(table, number, len(rows)),
    ]


def _tables(found: Inspection) -> list[str]:
    result = []
    for table in found.tables[:_FEW]:
        kinds = [*(["imported"] if table.imported else []), *(["64-bit"] if table.is_64 else [])]
        most = f" (at most {table.maximum:,})" if table.maximum is not None else ""
        result.append(
            f"table {table.index}: {counted(table.size, 'element')}{most} of {table.type}"
            + (f" ({', '.join(kinds)})" if kinds else "")
        )
    result = _few(result, found.counts["tables"], len(result))
    rows = [
        (
            str(segment.index),
            segment.mode,
            "" if segment.table is None else str(segment.table),
            segment.offset or "",
            f"{segment.length:,}",
            segment.type,
        )
        for segment in found.element_segments[:_FEW]
    ]
    if rows:
        number = found.counts["element_segments"]
        table_lines = columns(("index", "mode", "table", "at", "elements", "type"), rows, {0, 2, 3, 4})
        result += [counted(number, "element segment"), *_few(table_lines, number, len(rows))]
    return result


def _globals(found: Inspection) -> list[str]:
    if not found.globals:
        return []
    rows = [
        (
            str(entry.index),
            f"{'mutable ' if entry.mutable else ''}{entry.type}",
            "imported" if entry.imported else entry.value or "",
            short(entry.name),
        )
        for entry in found.globals[:_FEW]
    ]
    number = found.counts["globals"]
    return [counted(number, "global"), *_few(columns(("index", "type", "value", "name"), rows, {0}), number, len(rows))]


def _imports(found: Inspection) -> list[str]:
    if not found.imports:
        return ["no imports"]
    number = found.counts["imports"]
    modules = Counter((entry.module, entry.kind) for entry in found.imports)
    rows = [(short(module), kind, f"{count:,}") for (module, kind), count in modules.most_common(_FEW)]
    return [counted(number, "import"), *_few(columns(("from", "kind", "how many"), rows, {2}), len(modules), len(rows))]


def _exports(found: Inspection) -> list[str]:
    if not found.exports:
        return ["no exports"]
    number = found.counts["exports"]
    rows = [(short(e.name), e.kind, str(e.index), short(e.type)) for e in found.exports[:_FEW]]
    table = columns(("name", "kind", "index", "type"), rows, {2})
    start = [f"start function: {found.start}"] if found.start is not None else []
    return [counted(number, "export"), *_few(table, number, len(rows)), *start]


def _code(found: Inspection) -> list[str]:
    if not found.groups:
        return ["no functions"]
    defined = found.counts["functions"] - found.counts["imported_functions"]
    rows = [(short(group.name), f"{group.functions:,}", kib(group.size)) for group in found.groups[:_FEW]]
    largest = [(short(f.name), str(f.index), kib(f.size)) for f in found.largest_functions[: _FEW // 2]]
    return [
        f"{counted(defined, 'function')} by the beginning of their names, the largest first",
        *_few(columns(("group", "functions", "KiB"), rows, {1, 2}), len(found.groups), len(rows)),
        "",
        "the largest functions",
        *columns(("name", "index", "KiB"), largest, {1, 2}),
    ]


def _producers(found: Inspection) -> list[str]:
    rows = [(short(entry.field), short(entry.name), short(entry.version)) for entry in found.producers[:_FEW]]
    table = ["producers", *columns(("field", "name", "version"), rows)] if rows else []
    table = _few(table, len(found.producers), len(rows))
    return [*table, *([f"features: {short(' '.join(found.features))}"] if found.features else [])]


def _added(found: Inspection, added: Added) -> list[str]:
    result = [
        f"what it has beyond the original ({kib(added.size_before)} KiB): {signed(found.size - added.size_before)}",
        *(f"  {line}" for line in added_lines(found, added)),
    ]
    rows = [
        (
            f"custom: {short(change.name)}" if change.custom else change.name,
            "none" if change.before is None else kib(change.before),
            "none" if change.after is None else kib(change.after),
        )
        for change in added.sections
        if not change.same
    ]
    if rows:
        table = columns(("section that differs", "KiB before", "KiB now"), rows[:_FEW], {1, 2})
        result += _few(table, len(rows), min(len(rows), _FEW))
    return result


def added_lines(found: Inspection, added: Added) -> list[str]:
    """What a snapshot added, a sentence a line."""
    said = []
    if added.same_code:
        more = f", and {counted(added.functions_added, 'function')} after it" if added.functions_added else ""
        said.append(f"the code is the original's, byte for byte{more}")
    else:
        said.append("the code is not the original's: was it made from another module?")
    said.append(
        f"data segments: {added.data_segments_before:,} before, {found.counts['data_segments']:,} now; "
        f"{sized(added.data_bytes_before)} before, {sized(found.data_bytes)} now"
    )
    for memory, before in zip(found.memories, added.pages_before, strict=False):
        if memory.pages != before:
            said.append(f"memory {memory.index}: {counted(before, 'page')} before, {memory.pages:,} now")
    for table, before in zip(found.tables, added.table_sizes_before, strict=False):
        if table.size != before:
            said.append(f"table {table.index}: {counted(before, 'entry', 'entries')} before, {table.size:,} now")
    if found.counts["element_segments"] != added.element_segments_before:
        now = found.counts["element_segments"]
        said.append(f"element segments: {added.element_segments_before:,} before, {now:,} now")
    if added.start_removed:
        said.append("the start function is gone")
    for change in added.globals[:_FEW]:
        name = f" ({short(change.name)})" if change.name else ""
        said.append(f"global {change.index}{name}: {change.before or 'imported'} before, {change.after} now")
    if added.globals_changed > _FEW:
        said.append(f"... and {added.globals_changed - _FEW:,} more globals")
    for renamed in added.exports_renamed[:_FEW]:
        if renamed.before == renamed.after:
            said.append(f"export `{short(renamed.after)}` is another {renamed.kind} now")
        else:
            said.append(f"export `{short(renamed.after)}` is what `{short(renamed.before)}` was")
    for verb, names in (
        ("exports gone", added.exports_gone),
        ("new exports", added.exports_new),
        ("imports gone", added.imports_gone),
        ("new imports", added.imports_new),
    ):
        if names:
            more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
            said.append(f"{verb}: {', '.join(map(short, names[:_FEW]))}{more}")
    if added.producers_new:
        new = (f"{short(entry.name)} {short(entry.version)}" for entry in added.producers_new[:_FEW])
        said.append(f"new in the producers section: {', '.join(new)}")
    return said
