"""Where to pause, in this module."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...errors import Misfit, counted, printable, quoted
from ...options.hints import few_of
from ...options.pause import PausePoint
from ...tuples import NamedTuple

_WASI = "wasi_snapshot_preview1"
#: What reads standard input; and what names paths starts so.
_READS, _PATHS = frozenset(("fd_read", "poll_oneoff")), "path_"


class Pause(NamedTuple):
    """`function`: the one that is entered, by index, for a point of that kind.

    `imports`: the positions of the imports one of whose calls may be the point.
    """

    point: PausePoint
    function: int | None = None
    imports: frozenset[int] = frozenset()


def find_pause(module: Module, point: PausePoint) -> Pause:
    """Raises `Misfit` where the module has nothing of that name, or can't get there."""
    if point.kind == "function":
        return Pause(point, _function(module, point))
    functions = {i: entry for i, entry in enumerate(module.imports) if entry.kind == ExternKind.FUNC}
    if point.kind == "import":
        found = [i for i, entry in functions.items() if f"{entry.module}.{entry.name}" == point.name]
        if not found:
            names = {f"{e.module}.{e.name}": quoted(f"{e.module}.{e.name}") for e in functions.values()}
            hint = f"It imports {few_of(names, point.name)}." if names else "It imports no function: pause in one."
            hint = _counting(point) or hint
            raise Misfit(f"the module imports no function {quoted(point.name)} to pause at", hint=hint)
        return Pause(point, imports=frozenset(found))
    wasi = {i: entry.name for i, entry in functions.items() if entry.module == _WASI}
    if point.kind == "stdin":
        found = [i for i, name in wasi.items() if name in _READS]
        what = "read standard input: it imports neither fd_read nor poll_oneoff"
    else:
        found = [i for i, name in wasi.items() if name.startswith(_PATHS)]
        what = "name a path: it imports no function of WASI that takes one"
    if not found:
        raise Misfit(
            f"the module can't {what}", hint="Pause at another place: --pause-at function:NAME or import:MODULE.NAME."
        )
    return Pause(point, imports=frozenset(found))


def _counting(point: PausePoint) -> str:
    """What to do where a name has a number behind it that counts nothing."""
    name, sign, number = point.name.rpartition("#")
    if not sign or not number.isdigit():
        return ""
    if point.kind == "function":
        return f"Entries are counted from 1 to 999,999,999: --pause-at function:{printable(name)}#1"
    module, _, name = name.rpartition(".")
    return f"Calls are counted from 1 to 999,999,999: --pause-at import:{printable(module)}.{printable(name)}#1"


def _function(module: Module, point: PausePoint) -> int:
    name = point.name
    first, end = module.imported_functions, len(module.function_types)
    exported = [e.target for e in module.exports if e.kind == ExternKind.FUNC and e.name == name]
    named = [index for index, title in module.names.functions.items() if title == name]
    found = exported or named
    if not found and name.isascii() and name.isdigit() and len(name) <= 10:
        if int(name) >= end:
            raise Misfit(f"the module has {counted(end, 'function')}, so none with the index {name}")
        found = [int(name)]
    if not found:
        names = {title: quoted(title) for index, title in module.names.functions.items() if first <= index < end}
        names |= {e.name: quoted(e.name) for e in module.exports if e.kind == ExternKind.FUNC}
        hint = f"For example {few_of(names, name)}." if names else "It has no names: give the function's index."
        hint = _counting(point) or hint
        raise Misfit(f"the module has no function {quoted(name)} to pause at", hint=hint)
    if len(set(found)) > 1:
        shown = ", ".join(f"function:{index}" for index in sorted(set(found))[:6])
        raise Misfit(f"several functions are called {quoted(name)}", hint=f"Give the index of one: {shown}.")
    if not first <= found[0] < end:
        imported = [e for e in module.imports if e.kind == ExternKind.FUNC][found[0]]
        raise Misfit(
            f"the function {quoted(name)} is an import",
            hint=f"Pause at its call: --pause-at import:{printable(imported.module)}.{printable(imported.name)}",
        )
    return found[0]
