"""Functions of the output that call an export with constants: what `-r DST=NAME(ARG,...)` asks for."""

from __future__ import annotations

from typing import NamedTuple

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...options import Options
from .initializers import Call, call_of


class Entry(NamedTuple):
    """An export of the output, and the call that it does."""

    name: str
    call: Call


def entries(module: Module, options: Options) -> tuple[Entry, ...]:
    """The functions that are to be made, in order. Raises what choosing an initializer raises."""
    functions = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
    return tuple(
        Entry(name, call_of(module, functions, source, options.allocator))
        for name, source in options.rename_funcs
        if not isinstance(source, str) or (source not in module.exported_names and "(" in source)
    )


def renamed(module: Module, options: Options) -> dict[str, str]:
    """Destination -> source of those that are the names of exports, or should be."""
    made = {entry.name for entry in entries(module, options)}
    return {name: str(source) for name, source in options.rename_funcs if name not in made}
