"""An inspection as a page, with the report of the build that made the module where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import counted
from ..inspection.model import Added, Inspection
from ..result import Report
from . import build_page, memorymap, sizes
from .inspection_text import added_lines, image_lines, memory_title
from .page import (
    EMPTY,
    Card,
    Html,
    Section,
    cards,
    code,
    details,
    facts,
    join,
    legend,
    listed,
    page,
    paragraph,
    subheading,
    table,
    text,
)
from .units import hexadecimal, kib, short, signed, sized

#: Rows of a table, and maps of memories; the JSON has them all.
_FEW, _MOST_MAPS = 100, 10

#: Rows that are seen at once.
_UNFOLDED = 15


def inspection_page(found: Inspection, name: str, report: Report | None = None) -> str:
    """The page of a module called `name`. `report`: of the build that wrote it."""
    captured = report is not None and report.capture is not None
    changer = "script" if captured else "initializer"
    said = [
        "What is in the module",
        *(["what the snapshot added to the original"] if found.against else []),
        *(["how it was captured" if captured else "how it was built"] if report else []),
    ]
    intro = f"{', '.join(said[:-1])} and {said[-1]}." if said[1:] else f"{said[0]}."
    parts = [
        Section("overview", "Overview", _overview(found, report, changer)),
        *(build_page.sections(report) if report else ()),
        *([Section("added", "Beyond the original", _added(found, found.against))] if found.against else ()),
        *([Section("frames", "The paused stack", _frames(found))] if found.frames else ()),
        Section("memory", "Memory map", _memories(found, changer)),
        Section("sizes", "Where the bytes are", sizes.drawing(found)),
        Section("sections", "Sections", _sections(found)),
        Section("data", "Data segments", _data(found)),
        Section("tables", "Tables", _tables(found)),
        Section("globals", "Globals", _globals(found)),
        Section("imports", "Imports and exports", _imports(found)),
        Section("functions", "Functions", _functions(found)),
        Section("producers", "Producers", _producers(found)),
    ]
    return page(short(name), intro, parts)


def overview(found: Inspection) -> Html:
    """The figures of a module that matter most."""
    return _overview(found)


def parts_of(found: Inspection) -> list[tuple[str, Html]]:
    """Heading and body of what there is to say of a module, for a page that shows several."""
    return [
        *([("Beyond the original", _added(found, found.against))] if found.against else ()),
        ("Memory map", _memories(found)),
        ("Sections", _sections(found)),
        ("Tables", _tables(found)),
        ("Functions", _functions(found)),
    ]


def _rows(
    headings: Sequence[str], rows: Sequence[Sequence[Html]], numbers: set[int], number: int, none: str = ""
) -> Html:
    """A table; rows after the first are folded away; and how many are left out of the `number` that there are."""
    if not rows:
        return paragraph(none or "There are none.", "muted")
    shown = len(rows) if len(rows) <= _UNFOLDED + 2 else _UNFOLDED
    parts = [table(headings, rows[:shown], numbers)]
    rest = number - len(rows)
    more = paragraph(f"... and {rest:,} more: preinit inspect --json lists them.", "muted") if rest > 0 else EMPTY
    if len(rows) > shown:
        parts.append(details(f"{len(rows) - shown:,} more", join([table(headings, rows[shown:], numbers), more])))
    else:
        parts.append(more)
    return join(parts)


def _overview(found: Inspection, report: Report | None = None, changer: str = "initializer") -> Html:
    added = found.against
    defined = found.counts["functions"] - found.counts["imported_functions"]
    segments = counted(found.counts["data_segments"], "data segment")
    first = found.memories[0] if found.memories else None
    shown = [
        Card("Size", sized(found.size), signed(found.size - added.size_before) if added else f"{found.size:,} bytes"),
        Card("Data", sized(found.data_bytes), segments),
        Card("Functions", f"{defined:,}", counted(found.counts["imported_functions"], "imported one")),
    ]
    if first:
        shown.insert(1, Card("Memory", sized(first.pages * first.page_size), counted(first.pages, "page")))
    if first and added:
        changed = sum(memory.bytes_changed for memory in found.memories)
        shown.append(Card("Changed", sized(changed), f"of memory, by the {changer}"))
    if report:
        title = "Capture" if report.capture else "Build"
        shown.append(Card(title, f"{sum(report.passes.values()):.2f} s", report.engine.compiler))
    return join([cards(shown), facts([("SHA-256", code(found.sha256))])])


def _added(found: Inspection, added: Added) -> Html:
    differing = [
        (
            text(f"custom: {short(change.name)}" if change.custom else change.name),
            text("none" if change.before is None else kib(change.before)),
            text("none" if change.after is None else kib(change.after)),
            text(signed((change.after or 0) - (change.before or 0))),
        )
        for change in added.sections
        if not change.same
    ]
    headings = ("Section that differs", "KiB before", "KiB now", "Difference")
    return join(
        [
            listed(text(line) for line in added_lines(found, added)),
            _rows(headings, differing[:_FEW], {1, 2, 3}, len(differing), "All sections are the same."),
        ]
    )


def _memories(found: Inspection, changer: str = "initializer") -> Html:
    if not found.memories:
        return paragraph("The module has no memory.", "muted")
    compared = found.against is not None
    known = [("zero", "zero"), ("data", "data of the original" if compared else "data of the module")]
    parts = [legend([*known, *([("changed", f"changed by the {changer}")] if compared else [])])]
    if not compared:
        said = f"Give the original (--against) to see which pages the {changer} changed."
        parts.append(paragraph(said, "muted"))
    for memory in found.memories[:_MOST_MAPS]:
        a_cell = counted(memory.step, "page")
        parts += [
            subheading(memory_title(memory)),
            paragraph(
                f"A cell is {a_cell}. {sized(memory.bytes_set)} not zero"
                + (f", {sized(memory.bytes_changed)} differ from the original." if compared else "."),
                "muted",
            ),
            *(paragraph(line.strip() + ".") for line in image_lines(memory)),
            memorymap.drawing(memory, compared, changer),
        ]
    if len(found.memories) > _MOST_MAPS:
        parts.append(paragraph(f"... and {len(found.memories) - _MOST_MAPS} more memories.", "muted"))
    return join(parts)


def _sections(found: Inspection) -> Html:
    rows = [
        (
            text(f"custom: {short(section.name)}" if section.custom else section.name),
            code(hexadecimal(section.offset)),
            text(kib(section.size)),
            text(f"{100 * section.size / found.size:.1f} %"),
            text("" if section.items is None else f"{section.items:,}"),
        )
        for section in found.sections[:_FEW]
    ]
    headings = ("Section", "Offset", "KiB", "Share", "Items")
    return _rows(headings, rows, {1, 2, 3, 4}, found.counts["sections"])


def _data(found: Inspection) -> Html:
    rows = [
        (
            text(segment.index),
            text(segment.mode),
            text("" if segment.memory is None else segment.memory),
            code(hexadecimal(segment.offset)),
            text(kib(segment.size)),
            code(short(segment.name)),
        )
        for segment in sorted(found.data_segments, key=lambda segment: -segment.size)[:_FEW]
    ]
    headings = ("Index", "Mode", "Memory", "At", "KiB", "Name")
    return _rows(headings, rows, {0, 2, 3, 4}, found.counts["data_segments"])


def _tables(found: Inspection) -> Html:
    tables = [
        (
            text(table.index),
            code(table.type),
            text(f"{table.size:,}"),
            text("" if table.maximum is None else f"{table.maximum:,}"),
            text(", ".join([*(["imported"] if table.imported else []), *(["64-bit"] if table.is_64 else [])])),
        )
        for table in found.tables[:_FEW]
    ]
    segments = [
        (
            text(segment.index),
            text(segment.mode),
            text("" if segment.table is None else segment.table),
            text(segment.offset or ""),
            text(f"{segment.length:,}"),
            code(segment.type),
        )
        for segment in found.element_segments[:_FEW]
    ]
    return join(
        [
            _rows(("Index", "Type", "Elements", "At most", ""), tables, {0, 2, 3}, found.counts["tables"]),
            subheading("Element segments"),
            _rows(
                ("Index", "Mode", "Table", "At", "Elements", "Type"),
                segments,
                {0, 2, 3, 4},
                found.counts["element_segments"],
            ),
        ]
    )


def _frames(found: Inspection) -> Html:
    rows = [
        (
            code(short(frame.name)),
            text(frame.index),
            text(f"{frame.offset:,} of {frame.size:,}"),
            text(frame.resumed),
            text(f"{frame.resumed_size:,}"),
        )
        for frame in found.frames[:_FEW]
    ]
    added = sum(frame.resumed_size for frame in found.frames)
    said = f"The program is paused in these functions, innermost first. {kib(added)} KiB of code go on there."
    headings = ("Function", "Index", "Byte of its code", "Goes on in", "Bytes")
    return join([paragraph(said), _rows(headings, rows, {1, 2, 3, 4}, len(found.frames))])


def _globals(found: Inspection) -> Html:
    rows = [
        (
            text(entry.index),
            code(f"{'mutable ' if entry.mutable else ''}{entry.type}"),
            text("imported") if entry.imported else code(short(entry.value)),
            code(short(entry.name)),
        )
        for entry in found.globals[:_FEW]
    ]
    return _rows(("Index", "Type", "Starts with", "Name"), rows, {0}, found.counts["globals"])


def _imports(found: Inspection) -> Html:
    imports = [
        (code(short(entry.module)), code(short(entry.name)), text(entry.kind), code(short(entry.type)))
        for entry in found.imports[:_FEW]
    ]
    exports = [
        (code(short(entry.name)), text(entry.kind), text(entry.index), code(short(entry.type)))
        for entry in found.exports[:_FEW]
    ]
    start = [paragraph(f"The start function is function {found.start}.")] if found.start is not None else []
    return join(
        [
            subheading("Imports"),
            _rows(("From", "Name", "Kind", "Type"), imports, set(), found.counts["imports"]),
            subheading("Exports"),
            _rows(("Name", "Kind", "Index", "Type"), exports, {2}, found.counts["exports"]),
            *start,
        ]
    )


def _functions(found: Inspection) -> Html:
    groups = [(code(short(g.name)), text(f"{g.functions:,}"), text(kib(g.size))) for g in found.groups]
    largest = [(code(short(f.name)), text(f.index), text(kib(f.size))) for f in found.largest_functions]
    return join(
        [
            _rows(("Names begin with", "Functions", "KiB"), groups, {1, 2}, len(groups)),
            subheading("The largest functions"),
            _rows(("Name", "Index", "KiB"), largest, {1, 2}, len(largest)),
        ]
    )


def _producers(found: Inspection) -> Html:
    rows: Iterable[tuple[Html, ...]] = (
        (text(entry.field), text(short(entry.name)), text(short(entry.version))) for entry in found.producers[:_FEW]
    )
    said = [facts([("Features", text(short(" ".join(found.features))))])] if found.features else []
    return join([_rows(("Field", "Name", "Version"), list(rows), set(), len(found.producers)), *said])
