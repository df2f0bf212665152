"""The component format: https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md ."""

from .reader import read_component
from .recipe import Component

__all__ = ["Component", "read_component"]
