"""Programs with their own JavaScript glue: they are started in Node as their users start them, and captured there."""

from __future__ import annotations

from .capture import capture, capture_module

__all__ = ["capture", "capture_module"]
