"""What the script's load() does to an output that it did not do to the input: it runs on what was captured."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..errors import counted, printable
from ..options.hints import option
from ..result import BuildWarning
from ..tuples import NamedTuple
from .recording import ExportCall, LoadCall, Recording
from .standins import MOST_CALLS, StandIn, helper_name

#: They give places on the stack, which nobody keeps.
_STACK = re.compile(r"_*(stack(Save|Alloc|Restore)|emscripten_stack_\w+|[gs]etTempRet0|dynCall_\w+|asyncify_\w+)")
#: Bytes below the stack pointer that glue uses while it loads a program: for arguments, say. How near it an address is
#: that is one of the stack.
_USED, _AROUND = 4096, 1024
#: Calls that a message lists.
_FEW = 3


class Moved(NamedTuple):
    """An export, and what JavaScript calls it, that gave `before` and gives `after` where an output is loaded, first
    in so many calls. `may_repeat`: it can be had that it returns the same again."""

    export: str
    title: str
    before: Any
    after: Any
    may_repeat: bool


def moved(recording: Recording, loaded: Recording | None, resting: int) -> list[Moved]:
    """Exports whose calls by load() return something else in the output. What was given back at once is left out, and
    what lies on the stack. `resting`: its pointer, 0 if that is not known."""
    if loaded is None:
        return []
    first = {call.name: call for call in reversed(recording.calls)}
    now = _by_name(loaded.loads)
    found = []
    for name, calls in _by_name(recording.loads).items():
        if name not in first or _is_stack(first[name]):
            continue
        kept = [not _is_freed(recording.loads, place, call) for place, call in calls]
        pairs = list(zip(calls, now[name], kept, strict=False))
        results = [(a.result, b.result) for (_, a), (_, b), keeps in pairs if keeps and a.result != b.result]
        differing = [pair for pair in results if not all(_is_near(result, resting) for result in pair)]
        if differing:
            may_repeat = all(kept) and recording.loading.get(name, 0) == len(calls) <= MOST_CALLS
            title = first[name].alias or helper_name(first[name]) or name
            found.append(Moved(name, title, *differing[0], may_repeat))
    return found


def _by_name(calls: Sequence[LoadCall]) -> dict[str, list[tuple[int, LoadCall]]]:
    found: dict[str, list[tuple[int, LoadCall]]] = defaultdict(list)
    for place, call in enumerate(calls):
        found[call.name].append((place, call))
    return found


def _is_stack(call: ExportCall) -> bool:
    return any(map(_STACK.fullmatch, (call.name, *call.frames[:1], call.alias)))


def _is_near(result: Any, resting: int) -> bool:
    return bool(resting) and isinstance(result, int) and abs(result - resting) <= _AROUND


def _is_freed(calls: Sequence[LoadCall], place: int, call: LoadCall) -> bool:
    """Whether a later call has what this one returned for its only argument, and returns nothing."""
    if not isinstance(call.result, (int, str)) or not call.result:
        return False
    return any(later.arguments == (call.result,) and later.result is None for later in calls[place + 1 :])


def in_words(one: Moved) -> str:
    """What it gave, and gives."""
    return f"`{printable(one.title)}` returned {_number(one.before)} and returns {_number(one.after)} in the output"


def _number(result: Any) -> str:
    return printable(str(result))[:50] if result is not None else "nothing"


def loading_warnings(
    recording: Recording, loaded: Recording | None, again: Sequence[str], made: Sequence[StandIn], resting: int
) -> Iterator[BuildWarning]:
    """`again`: exports of which it is said elsewhere that loading calls them again. `resting`: the stack pointer."""
    replaced = {one.export for one in made}
    found = [one for one in moved(recording, loaded, resting) if one.export not in replaced and one.export not in again]
    if found:
        once = [option("--once", one.export) for one in found if one.may_repeat]
        yield BuildWarning(
            "glue-load",
            f"of what load() called, {', '.join(map(in_words, found[:_FEW]))}"
            f"{f', and {len(found) - _FEW} more' if found[_FEW:] else ''}: what JavaScript keeps of that is not what "
            "was captured",
            KEEP_ADDRESSES
            + (
                f" Or, if load() writes nothing there, have it return the same again: {' '.join(once)} ."
                if once
                else ""
            ),
        )
    places = list(overwritten(recording, loaded, replaced, resting))
    if places:
        yield BuildWarning(
            "glue-load",
            f"while JavaScript loads the output, it writes over {counted(len(places), 'byte')} of what was captured, "
            f"from {places[0]:#x} on: no function of the program does",
            "Write there in prepare(program), and not in load(): the output holds it.",
        )


#: What to do about addresses that load() got.
KEEP_ADDRESSES = (
    "Do that in prepare(program), and let resume(program) set what JavaScript keeps of it: prepare can write addresses "
    "to a file, which resume reads."
)


def overwritten(
    recording: Recording, loaded: Recording | None, replaced: Collection[str], resting: int
) -> Iterator[int]:
    """Addresses in memory 0 of what was not zero when it was captured, and where JavaScript wrote something else; but
    for what it was given just now. `replaced`: exports that give again what they gave."""
    if loaded is None or not loaded.overwritten:
        return
    before, now = recording.memories[0], loaded.memories[0]
    own = [(resting - _USED, resting), *_allocated([call for call in loaded.loads if call.name not in replaced])]
    for start, end in loaded.overwritten:
        for at in range(start, min(end, len(before), len(now))):
            if before[at] and before[at] != now[at] and not any(low <= at < high for low, high in own):
                yield at


def _allocated(calls: Sequence[LoadCall]) -> Iterator[tuple[int, int]]:
    """What functions may have allocated: from what one returned, as many bytes as one of its arguments, or all of them
    multiplied."""
    for call in calls:
        sizes = [size for size in call.arguments if isinstance(size, int) and size > 0]
        if isinstance(call.result, int) and call.result > 0 and sizes:
            yield call.result, call.result + max(*sizes, math.prod(sizes))
