"""What is to be said about a build: the report with its warnings, and whether the output is accepted."""

from __future__ import annotations

from ...errors import WarningsRefused
from ...result import Report
from ..plan.job import Job
from ..rewrite import Rewritten
from .report import find

__all__ = ["check_accepted", "find"]


def check_accepted(report: Report, job: Job, output: Rewritten) -> None:
    """Raises `WarningsRefused` for warnings in a strict build, `BudgetExceeded` for an output that is too large."""
    options = job.options
    if options.strict and report.warnings:
        raise WarningsRefused(tuple((found.code, found.message, found.hint) for found in report.warnings))
    if options.budgets:
        from .budgets import check_budgets

        check_budgets(report, job.module, output, options)
