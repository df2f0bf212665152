"""The copy of a module that is run: everything that must be read is exported, and nothing runs by itself."""

from .state import instrument_state
from .whole import instrument

__all__ = ["instrument", "instrument_state"]
