"""Functions of the output that call an export with constants: what `-r DST=NAME(ARG,...)` asks for."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...errors import InitializerType, printable
from ...options import Options
from ...tuples import NamedTuple
from .arguments import ANY, Before
from .initializers import Call, call_of


class Entry(NamedTuple):
    """An export of the output, and the call that it does."""

    name: str
    call: Call


def entries(module: Module, options: Options, before: Before = ANY) -> tuple[Entry, ...]:
    """The functions that are to be made, in order. `before`: what the last initializer returns. Raises what choosing an
    initializer raises."""
    functions = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
    made = []
    for name, source in options.rename_funcs:
        if isinstance(source, str) and (source in module.exported_names or "(" not in source):
            continue
        try:
            made.append(Entry(name, call_of(module, functions, source, options.allocator, before, f"{name}=")))
        except InitializerType as problem:
            _speak_of_entry(problem, name)
            raise
    return tuple(made)


def _speak_of_entry(problem: InitializerType, name: str) -> None:
    """Has an error that is worded for an initializer speak of the entry's call."""
    problem.what = problem.what.replace("the initializer", "the call").replace("an initializer", "a call")
    problem.hint = problem.hint and problem.hint.replace("-f '", f"-r '{printable(name)}=")


def renamed(module: Module, options: Options) -> dict[str, str]:
    """Destination -> source of those that are the names of exports, or should be."""
    made = {entry.name for entry in entries(module, options)}
    return {name: str(source) for name, source in options.rename_funcs if name not in made}
