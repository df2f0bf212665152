"""A report, an inspection or a measurement as JSON, version 1."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ..errors import PreinitError
from ..result import REPORT_VERSION, Report
from ..version import VERSION

if TYPE_CHECKING:
    from ..bench.many import ManyCopies
    from ..bench.model import Bench
    from ..inspection.model import Inspection


def _plain(value: Any) -> Any:
    """JSON has no infinities and no NaN: those become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def text(value: Any) -> str:
    """JSON values as they are written everywhere."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=True) + "\n"


def dumps(report: Report | Inspection | Bench | ManyCopies) -> str:
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
