"""Does an output do what its input does after its initializer? Nothing here knows how outputs are written."""

from __future__ import annotations

from .check import Calls, check_repeatable, verify, verify_calls
from .result import CallFacts, Compared, Verification

__all__ = ["CallFacts", "Calls", "Compared", "Verification", "check_repeatable", "verify", "verify_calls"]
