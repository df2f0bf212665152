"""The same passes for components: each of their core modules goes through the rooms of the others."""

from __future__ import annotations

from .build import build_component
from .source import read_component_source

__all__ = ["build_component", "read_component_source"]
