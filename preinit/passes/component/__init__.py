"""The same passes for components: each of their core modules goes through the rooms of the others."""

from __future__ import annotations

from .build import build_component
from .many import ManyOfComponent
from .source import read_component_source

__all__ = ["ManyOfComponent", "build_component", "read_component_source"]
