"""How fast a module starts, and how fast its output does: side by side, in turn."""

from .model import Bench, MemoryPerCopy, Side, Sizes, Times
from .run import RUNTIMES, measure

__all__ = ["RUNTIMES", "Bench", "MemoryPerCopy", "Side", "Sizes", "Times", "measure"]
