"""Views of an inspection, of a module or of a component."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import printable
from ..inspection import ComponentInspection, Inspection

if TYPE_CHECKING:
    from ..result import Report


def text_of(found: Inspection | ComponentInspection, name: str) -> Iterable[str]:
    """As text for people: the lines."""
    if isinstance(found, ComponentInspection):
        from .component_text import component_lines

        return map(printable, component_lines(found, name))
    from .inspection_text import lines

    return lines(found, name)


def page_of(found: Inspection | ComponentInspection, name: str, report: Report | None = None) -> str:
    """As a page. `report`: of the build that wrote it."""
    if isinstance(found, ComponentInspection):
        from .component_page import component_page

        return component_page(found, name, report)
    from .inspection_page import inspection_page

    return inspection_page(found, name, report)
