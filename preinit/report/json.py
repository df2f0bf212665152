"""The report as JSON, version 1."""

from __future__ import annotations

import json
import math
from typing import Any

from ..result import Report


def _plain(value: Any) -> Any:
    """JSON has no infinities and no NaN: those become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def dumps(report: Report) -> str:
    return json.dumps(_plain(report.to_dict()), indent=2, ensure_ascii=True) + "\n"
