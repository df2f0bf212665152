"""What the guest sees of the world: WASI preview 1, and traps for every other import."""

from __future__ import annotations

from .wasi1.process import Clock, Fetch, Fetches
from .world import Printed, World

__all__ = ["Clock", "Fetch", "Fetches", "Printed", "World"]
