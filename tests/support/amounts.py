"""How many examples are tried: few where the whole suite is run, many when somebody asks for them."""

from __future__ import annotations

import os


def amount(full: int, quick: int) -> int:
    """How many of something there are: all of them only with PREINIT_TESTS=full, for that takes long."""
    return full if os.environ.get("PREINIT_TESTS") == "full" else quick
