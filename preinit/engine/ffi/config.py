"""Settings of engines."""

from __future__ import annotations

import os

from . import capi
from .objects import Config

STRATEGY_WINCH = 2


def library() -> str:
    """The file of the engine's library."""
    return str(capi.library._name)


def build() -> str:
    """Says which build of the engine this is: size and time of its file."""
    status = os.stat(library())
    return f"{status.st_size} {status.st_mtime_ns}"


def use_winch(config: Config) -> None:
    """The baseline compiler."""
    config.set("strategy", STRATEGY_WINCH)


def set_stack(config: Config, size: int) -> None:
    """How much of the stack guests may take, in bytes: an engine whose asynchronous stack is smaller panics."""
    config.set("async_stack_size", size + (1 << 20))
    config.set("max_wasm_stack", size)


def check_bounds(config: Config) -> None:
    """Code checks each access by itself."""
    config.set("memory_reservation", 0)
    config.set("memory_guard_size", 0)
