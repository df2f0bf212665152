"""What the calls of exports without arguments do that load() makes: some set a program up, others only look."""

from __future__ import annotations

import re

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import FuncType
from .imports import REPLAYED
from .recording import ImportUse, Recording


def idle(recording: Recording) -> set[str]:
    """Exports without arguments that changed nothing of the program's memory when load() called them."""
    looked: dict[str, set[bool | None]] = {}
    for call in recording.loads:
        looked.setdefault(call.name, set()).add(call.changes)
    return {name for name, found in looked.items() if False in found and True not in found}


def givers(recording: Recording) -> set[str]:
    """Exports without arguments whose results load() handed to other calls: handles, which these end."""
    taken = {value for call in recording.loads for value in call.arguments if value not in (0, 1, None)}
    return {call.name for call in recording.loads if not call.arguments and _hashable(call.result) in taken}


def _hashable(result: object) -> object:
    return tuple(result) if isinstance(result, list) else result


def sets_up(module: Module, recording: Recording) -> set[str]:
    """Exports that set something up in the program, and do nothing else: without parameters and results, called once,
    by load(), and never again. They changed memory, and called no import that need not be called again, so that
    nothing of JavaScript misses them."""
    types = {e.name: module.function_type(e.target) for e in module.exports if e.kind == ExternKind.FUNC}
    foreign = any("foreign" in entries for entries in recording.state.tables.values())  # may be called, too
    unwound = any(re.search("asyncify_|Rewind|Unwind", " ".join((c.name, *c.frames[:3]))) for c in recording.calls)
    if not recording.loaded or foreign or unwound:
        return set()
    changing = {call.name for call in recording.loads if call.changes}
    return {
        call.name
        for call in recording.calls
        if call.name in changing
        and types.get(call.name) == FuncType((), ())
        and (recording.called.get(call.name), recording.loading.get(call.name)) == (1, 1)
        and not call.threw
        and all(_is_replayed(recording.imports[made.function]) for made in call.imports)
    }


def _is_replayed(entry: ImportUse) -> bool:
    return any(map(REPLAYED.match, (entry.name, entry.provider)))
