"""Options in hints, written so that they can be copied into a shell: names in a module may hold anything."""

from __future__ import annotations

import shlex

from ..errors import printable


def option(flag: str, value: str) -> str:
    """An option with its value, quoted where a shell would take that for something else."""
    return f"{flag} {shlex.quote(printable(value))}"


def preload(module: str) -> str | None:
    """What provides the imports from a module; None for one without a name, of which no option can speak."""
    return option("--preload", f"{module}=FILE") if module else None
