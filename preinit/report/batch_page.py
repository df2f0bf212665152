"""A batch as a page: how many jobs ended how, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from ..tuples import NamedTuple
from .page import Card, Section, cards, code, page, paragraph, table, text
from .units import seconds as in_seconds

#: Rows of the table: a page of a million could not be shown.
_MOST = 5000


class Row(NamedTuple):
    """A job: the name of its output, what became of it, the output's bytes, codes of warnings, or the error."""

    name: str
    status: str
    size: int
    remarks: str


def batch_page(rows: Sequence[Row], seconds: float, source: str) -> str:
    """The page. `seconds`: that the batch took; `source`: the job file or folder. Failed jobs come first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    figures = [Card(status, f"{count:,}", f"of {len(rows):,} jobs") for status, count in counts.items()]
    figures.append(Card("bytes written", f"{sum(row.size for row in rows):,}", f"in {in_seconds(seconds)}"))
    listed = sorted(rows, key=lambda row: row.status != "failed")[:_MOST]
    cells = [(code(row.name), text(row.status), text(f"{row.size:,}"), text(row.remarks)) for row in listed]
    parts = [Section("figures", "Figures", cards(figures))]
    if len(rows) > _MOST:
        parts.append(
            Section("more", "More", paragraph(f"{len(rows) - _MOST:,} more jobs are in the JSON report only."))
        )
    jobs = table(("output", "what became of it", "bytes", "warnings, or the error"), cells, numbers=(2,))
    parts.append(Section("jobs", "Jobs", jobs))
    return page(f"Batch {source}", f"What preinit made of the {len(rows):,} jobs of {source}.", parts)
