"""The keys of a target, and of the defaults of all targets."""

from __future__ import annotations

from ..options.entries import INPUT, OUTPUT, REPORT, VERIFIED
from ..options.tables import option_keys

#: What a target may be called: nothing that is taken for a file name or an option.
NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"

#: What both a target and the defaults may say.
COMMON = {"input": INPUT, **option_keys(), "verify": VERIFIED}
TARGET = {"input": INPUT, "output": OUTPUT, "report": REPORT, **option_keys(), "verify": VERIFIED}
