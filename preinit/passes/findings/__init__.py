"""What is to be said about a build: the report with its warnings, and whether the output is accepted."""

from __future__ import annotations

from ...errors import WarningsRefused
from ...result import Report
from ..plan.job import Job
from ..rewrite import Rewritten
from .accepted import refused_warnings
from .report import find

__all__ = ["check_accepted", "find"]


def check_accepted(report: Report, job: Job, output: Rewritten) -> None:
    """Raises `WarningsRefused` for warnings in a strict build, `BudgetExceeded` for an output that is too large."""
    options = job.options
    if options.strict and (refused := refused_warnings(report, options.accept)):
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in refused))
    if options.budgets:
        from .budgets import check_budgets

        check_budgets(report, job.module, output, options)
