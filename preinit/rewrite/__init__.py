"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from .module import Plan, Rewritten, variants, write_module

__all__ = ["Plan", "Rewritten", "variants", "write_module"]
