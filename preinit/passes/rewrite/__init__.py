"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from .appended import has_more
from .module import Plan, Rewritten, memory_runs, variants, write_module
from .segments import Run

__all__ = ["Plan", "Rewritten", "Run", "has_more", "memory_runs", "variants", "write_module"]
