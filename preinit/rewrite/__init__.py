"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from .module import Plan, Rewritten, memory_runs, variants, write_module
from .segments import Run

__all__ = ["Plan", "Rewritten", "Run", "memory_runs", "variants", "write_module"]
