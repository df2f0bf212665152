"""Does an output do what its input does after its initializer? Nothing here knows how outputs are written."""

from __future__ import annotations

from .check import CALL_TIMEOUT, Calls, check_repeatable, verify, verify_calls
from .result import CallFacts, Compared, Verification

__all__ = [
    "CALL_TIMEOUT",
    "CallFacts",
    "Calls",
    "Compared",
    "Verification",
    "check_repeatable",
    "verify",
    "verify_calls",
]
