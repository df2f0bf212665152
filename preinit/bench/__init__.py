"""How fast a module starts, and how fast its output does: side by side, in turn."""

from .model import Bench, MemoryPerCopy, Side, Sizes, Times
from .run import ENGINES, measure

__all__ = ["ENGINES", "Bench", "MemoryPerCopy", "Side", "Sizes", "Times", "measure"]
