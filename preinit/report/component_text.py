"""What is in a component as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from ..inspection.component import ComponentInspection
from .inspection_text import lines


def component_lines(found: ComponentInspection, name: str) -> Iterator[str]:
    """The component, then each of its core modules."""
    within = f", {counted(found.nested, 'component')} within" if found.nested else ""
    yield f"{name}: a component of {found.size:,} bytes, {counted(len(found.modules), 'core module')}{within}"
    yield f"sha256 {found.sha256}"
    for what, entries in (("imports", found.imports), ("exports", found.exports)):
        if entries:
            yield ""
            yield what
            yield from (f"  {sort} {title}" for sort, title in entries)
    for number, module in enumerate(found.modules):
        yield ""
        yield from lines(module, f"core module {number}")
