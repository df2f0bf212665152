"""All modules of preinit, and all errors that they have."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import preinit
from preinit import PreinitError


@cache
def modules() -> tuple[str, ...]:
    """The names of all modules of preinit. They have been imported."""
    names = [found.name for found in walk_packages(preinit.__path__, "preinit.") if not found.name.endswith("__main__")]
    for name in names:
        import_module(name)
    return tuple(sorted(names))


@cache
def errors() -> tuple[type[PreinitError], ...]:
    """`PreinitError` and all that is derived from it, in whichever room."""
    modules()
    found: dict[type[PreinitError], None] = {}
    left: list[type[PreinitError]] = [PreinitError]
    while left:
        kind = left.pop()
        if kind.__module__.startswith("preinit."):  # not those that a test makes
            found[kind] = None
        left += kind.__subclasses__()
    return tuple(sorted(found, key=lambda kind: kind.__name__))
