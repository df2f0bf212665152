"""The custom section in which an output says which functions were active where its program was paused."""

from __future__ import annotations

from collections.abc import Iterable

from ..tuples import NamedTuple
from . import encoder as write
from .module import Module

SECTION = "preinit.frames"

#: A longer section is none of ours: bytes.
_LONGEST = 4 << 20


class ActiveFunction(NamedTuple):
    """An active function: its index, where the call under way is in its code (locals and instructions), and the index
    of the function that goes on there."""

    function: int
    offset: int
    resumed: int


def section(functions: Iterable[ActiveFunction]) -> write.Pieces:
    """The section for functions, the innermost first."""
    import json  # takes 2 ms, which most builds do not need

    listed = [active._asdict() for active in functions]
    return write.custom_section(SECTION, json.dumps({"frames": listed}, separators=(",", ":")).encode())


def active_functions(module: Module) -> tuple[ActiveFunction, ...]:
    """What the section says; nothing where there is none, or it does not say what it should."""
    import json  # takes 2 ms, which most builds do not need

    found = module.custom(SECTION)
    if found is None or found.end - found.content > _LONGEST:
        return ()
    try:
        listed = json.loads(module.data[found.content : found.end])["frames"]
        active = tuple(ActiveFunction(entry["function"], entry["offset"], entry["resumed"]) for entry in listed)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    defined = range(module.imported_functions, len(module.function_types))
    fits = all(type(number) is int and number >= 0 for one in active for number in one)
    return active if fits and all(one.function in defined and one.resumed in defined for one in active) else ()
