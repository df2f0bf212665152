"""Targets: what a config file says is to be built, what of it changed, and in which order it is built."""

from .depfile import depfile
from .inputs import fingerprint
from .load import Config, find, load
from .order import order, with_needed
from .state import Fingerprint, change, state_bytes, state_file
from .target import Target, options_of

__all__ = [
    "Config",
    "Fingerprint",
    "Target",
    "change",
    "depfile",
    "find",
    "fingerprint",
    "load",
    "options_of",
    "order",
    "state_bytes",
    "state_file",
    "with_needed",
]
