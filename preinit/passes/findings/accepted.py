"""Whether an output is accepted: which warnings a strict build refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ...errors import Frame, WarningsRefused
from ...options.accepted import CALLED, accepted
from ...records import replaced
from ...result import BuildWarning, Report
from .world import callers_text

if TYPE_CHECKING:
    from ..plan.job import Job
    from ..rewrite import Rewritten


def check_accepted(report: Report, job: Job, output: Rewritten) -> None:
    """Raises `WarningsRefused` for warnings in a strict build, `BudgetExceeded` for an output that is too large."""
    options = job.options
    if options.strict and (refused := refused_warnings(report, options.accept)):
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in refused))
    if options.budgets:
        from .budgets import check_budgets

        check_budgets(report, job.module, output, options)


def refused_warnings(report: Report, accept: Iterable[str]) -> list[BuildWarning]:
    """The warnings that were not accepted; those that were for some callers say which other one there is."""
    functions: dict[str, set[str]] = {}
    for code, function in map(accepted, accept):
        functions.setdefault(code, set()).add(function)
    refused = []
    for warning in report.warnings:
        allowed = functions.get(warning.code)
        if allowed is None:
            refused.append(warning)
        elif "" not in allowed:
            ways = [way for name in CALLED[warning.code] for way in report.host.callers.get(name, ())]
            other = next((way for way in ways if not _leads_through(way, allowed)), None if ways else ())
            if other is not None:
                refused.append(replaced(warning, message=f"{warning.message}; {_also(other, allowed)}"))
    return refused


def _leads_through(way: Iterable[Frame], allowed: Collection[str]) -> bool:
    return any(frame.name in allowed or str(frame.function_index) in allowed for frame in way)


def _also(way: tuple[Frame, ...], allowed: Collection[str]) -> str:
    names = " or ".join(f"`{name}`" for name in sorted(allowed))
    return f"accepted by way of {names} only, and it is also done {callers_text(way, 'in') or 'elsewhere'}"
