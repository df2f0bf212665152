"""The copy of a module that is run: everything that must be read is exported, and nothing runs on its own."""

from .instrumented import Instrumented
from .ondemand import instrument_state
from .whole import instrument

__all__ = ["Instrumented", "instrument", "instrument_state"]
