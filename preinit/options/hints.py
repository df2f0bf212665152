"""Options in hints, written so that they can be copied into a shell: names in a module may hold anything."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import printable


def option(flag: str, value: str) -> str:
    """An option with its value, quoted where a shell would take that for something else."""
    import shlex  # for messages only

    return f"{flag} {shlex.quote(printable(value))}"


def preload(module: str) -> str | None:
    """What provides the imports from a module; None for one without a name, of which no option can speak."""
    return option("--preload", f"{module}=FILE") if module else None


#: Candidates that a message lists.
_FEW = 6
#: How alike two names must be to be taken for each other, from 0 to 1; how many names are compared, and how long ones.
_ALIKE = 0.5
_MOST_COMPARED = 5_000
_LONGEST_COMPARED = 200


def few_of(found: Mapping[str, str], wanted: str = "") -> str:
    """What is shown for each name, of a few names: first of those that are like the one that was `wanted`."""
    found = dict(found)
    alike: list[str] = []
    if wanted:
        from difflib import get_close_matches  # takes longer to import than a good build would want to wait

        names = [name for name in found if len(name) <= _LONGEST_COMPARED][:_MOST_COMPARED]
        alike = get_close_matches(wanted[:_LONGEST_COMPARED], names, _FEW // 2, _ALIKE)
    shown = [found.pop(name) for name in alike] + list(found.values())
    more = len(shown) - _FEW
    return f"{', '.join(shown[:_FEW])}{f' and {more:,} more' if more > 0 else ''}"
