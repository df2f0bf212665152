"""JSON as every report of ours is written."""

from __future__ import annotations

import json
import math
from typing import Any


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
