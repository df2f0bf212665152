"""A report, an inspection or a measurement as JSON, version 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PreinitError
from ..result import REPORT_VERSION, Report
from ..result.write import text
from ..version import VERSION

if TYPE_CHECKING:
    from ..bench.model import Bench, ManyCopies
    from ..inspection.component import ComponentInspection
    from ..inspection.model import Inspection


def dumps(report: Report | Inspection | ComponentInspection | Bench | ManyCopies) -> str:
    return text(report.to_dict())


def failure(problem: PreinitError) -> str:
    """What a failed build says instead: the error's code, what happened, where, what to do, the guest's backtrace."""
    error: dict[str, Any] = {
        "code": problem.code,
        "what": problem.what,
        "where": problem.where,
        "hint": problem.hint,
        "frames": [frame._asdict() for frame in problem.frames],
        "frames_cut": problem.cut,
        **problem.details,
    }
    return text({"version": REPORT_VERSION, "preinit": VERSION, "error": error})
