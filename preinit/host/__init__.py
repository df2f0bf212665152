"""What the guest sees of the world: WASI preview 1, and traps for every other import."""

from __future__ import annotations

from .link import Printed, World
from .wasi.process import Clock

__all__ = ["Clock", "Printed", "World"]
