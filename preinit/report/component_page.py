"""What is in a component as a page: the component, then each of its core modules."""

from __future__ import annotations

from ..errors import counted
from ..inspection.component import ComponentInspection
from ..result import Report
from . import build_page, inspection_page
from .component_text import added_lines, origin
from .page import Card, Html, Section, cards, code, facts, join, listed, paragraph, subheading, table, text
from .units import short, sized

#: Core modules that are drawn; the JSON has them all.
_MOST_MODULES = 40


def component_page(found: ComponentInspection, name: str, report: Report | None = None) -> str:
    """The page of a component called `name`. `report`: of the build that wrote it."""
    from .page import page

    said = ["What is in the component", *(["what the snapshot added to the original"] if found.against else [])]
    said += ["how it was built"] if report else []
    intro = f"{', '.join(said[:-1])} and {said[-1]}." if said[1:] else f"{said[0]}."
    added = listed(text(line.strip()) for line in added_lines(found.against)) if found.against else None
    parts = [
        Section("overview", "Overview", _overview(found)),
        *(build_page.sections(report) if report else ()),
        *([Section("added", "Beyond the original", added)] if added else ()),
        Section("imports", "Imports and exports", _names(found)),
        Section("modules", "Core modules", _modules(found)),
    ]
    shown = sorted(range(len(found.modules)), key=lambda number: -found.modules[number].size)[:_MOST_MODULES]
    for number in sorted(shown):
        parts.append(Section(f"module-{number}", f"Core module {number}", _module(found, number)))
    return page(short(name), intro, parts)


def _overview(found: ComponentInspection) -> Html:
    functions = sum(module.counts["functions"] - module.counts["imported_functions"] for module in found.modules)
    data = sum(module.data_bytes for module in found.modules)
    within = counted(found.nested, "component") + " within"
    figures = [
        Card("Size", sized(found.size), f"{found.size:,} bytes"),
        Card("Core modules", f"{len(found.modules):,}", within),
        Card("Data", sized(data)),
        Card("Functions", f"{functions:,}"),
    ]
    return join([cards(figures), facts([("SHA-256", code(found.sha256))])])


def _names(found: ComponentInspection) -> Html:
    parts = []
    for heading, entries in (("Imports", found.imports), ("Exports", found.exports)):
        rows = [[text(sort), code(name)] for sort, name in entries]
        parts += [subheading(heading), table(["sort", "name"], rows, set()) if rows else paragraph("There are none.")]
    return join(parts)


def _modules(found: ComponentInspection) -> Html:
    rows = []
    for number, module in enumerate(found.modules):
        own = module.counts["functions"] - module.counts["imported_functions"]
        figures = (module.size, own, module.data_bytes, len(module.memories))
        rows.append([text(number), *(text(f"{figure:,}") for figure in figures)])
    return table(["core module", "bytes", "functions", "bytes of data", "memories"], rows, {1, 2, 3, 4})


def _module(found: ComponentInspection, number: int) -> Html:
    module = found.modules[number]
    parts = [inspection_page.overview(module)]
    said = origin(found.against, number).removeprefix(", ")
    if said:
        parts.append(paragraph(f"This is a module {said}." if "which" in said else f"It was {said} of the original."))
    for heading, body in inspection_page.parts_of(module):
        parts += [subheading(heading), body]
    return join(parts)
