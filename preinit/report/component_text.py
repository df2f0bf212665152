"""What is in a component as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from ..inspection.component import ComponentAdded, ComponentInspection
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
    if found.against:
        yield ""
        yield from added_lines(found.against)
    for number, module in enumerate(found.modules):
        yield ""
        yield from lines(module, f"core module {number}{origin(found.against, number)}")


def added_lines(added: ComponentAdded) -> Iterator[str]:
    """What a component has beyond its original: a line for each thing."""
    yield f"made from a component of {added.size_before:,} bytes with {counted(added.modules_before, 'core module')}"
    for what in ("exports_gone", "exports_new", "imports_gone", "imports_new"):
        entries = getattr(added, what)
        if entries:
            yield f"  {what.replace('_', ' ')}: {', '.join(f'{sort} {title}' for sort, title in entries)}"
    own = added.originals.count(None)
    if own:
        yield f"  {counted(own, 'core module')} of its own, which fill tables that several instances share"


def origin(added: ComponentAdded | None, number: int) -> str:
    """What to say of a core module behind its number: where it comes from."""
    if added is None:
        return ""
    original = added.originals[number]
    return ", which the original has not" if original is None else f", made from core module {original}"
