"""What the script's load() does to an output that it did not do to the input: it runs on what was captured."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ..errors import counted, printable
from ..options.hints import option
from ..result import BuildWarning
from ..tuples import NamedTuple
from .allocating import allocated, is_freed
from .recording import ExportCall, LoadCall, Recording
from .standins import MOST_CALLS, StandIn, helper_name

#: They give places on the stack, which nobody keeps.
_STACK = re.compile(r"_*(stack(Save|Alloc|Restore)|emscripten_stack_\w+|[gs]etTempRet0|dynCall_\w+|asyncify_\w+)")
#: Bytes below the stack pointer that glue uses while it loads a program: for arguments, say. How near it an address is
#: that is one of the stack.
_USED, _AROUND = 4096, 1024
#: Bytes that are compared at once.
_BLOCK = 1 << 16
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
    first = _first(recording)
    now = _by_name(loaded.loads)
    found = []
    for name, calls in _by_name(recording.loads).items():
        if name not in first or _is_stack(first[name]):
            continue
        kept = [not is_freed(recording.loads, place, first) for place, _ in calls]
        pairs = list(zip(calls, now[name], kept, strict=False))
        results = [(a.result, b.result) for (_, a), (_, b), keeps in pairs if keeps and a.result != b.result]
        differing = [pair for pair in results if not all(_is_near(result, resting) for result in pair)]
        if differing:
            may_repeat = all(kept) and recording.loading.get(name, 0) == len(calls) <= MOST_CALLS
            title = first[name].alias or helper_name(first[name]) or name
            found.append(Moved(name, title, *differing[0], may_repeat))
    return found


def _first(recording: Recording) -> dict[str, ExportCall]:
    return {call.name: call for call in reversed(recording.calls)}


def _by_name(calls: Sequence[LoadCall]) -> dict[str, list[tuple[int, LoadCall]]]:
    found: dict[str, list[tuple[int, LoadCall]]] = defaultdict(list)
    for place, call in enumerate(calls):
        found[call.name].append((place, call))
    return found


def _is_stack(call: ExportCall) -> bool:
    return any(map(_STACK.fullmatch, (call.name, *call.frames[:1], call.alias)))


def _is_near(result: Any, resting: int) -> bool:
    return bool(resting) and isinstance(result, int) and abs(result - resting) <= _AROUND


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
    if loaded is None:
        return
    own = _own(recording, loaded, replaced, resting)
    places = sorted(set(overwritten(recording, loaded, own)))
    if places:
        yield BuildWarning(
            "glue-load",
            f"while JavaScript loads the output, it writes over {counted(len(places), 'byte')} of what was captured, "
            f"from {places[0]:#x} on: JavaScript does, or a call of the program through its table",
            "Write there in prepare(program), and not in load(): the output holds it.",
        )
    if loaded.watched is not None and (at := _first_changed(recording, loaded, own)) is not None:
        yield BuildWarning(
            "glue-load",
            f"nobody looked what JavaScript writes over after {counted(loaded.watched, 'call')} of exports in load(): "
            f"there is too much to look at; where the output is loaded, {at:#x} does not hold what was captured, and "
            "perhaps others do not",
            "Have load() call less, or check with answer(program) that what was captured is still there.",
        )
    number = sum(recording.loading.values())
    if number > len(recording.loads):
        yield BuildWarning(
            "glue-load",
            f"load() made {counted(number, 'call')} of exports, and nobody looked what those after the first "
            f"{len(recording.loads):,} return in the output",
            "Have load() call less: prepare(program) can do what the output is to hold.",
        )


#: What to do about addresses that load() got.
KEEP_ADDRESSES = (
    "Do that in prepare(program), and let resume(program) set what JavaScript keeps of it: prepare can write addresses "
    "to a file, which resume reads."
)


def _own(recording: Recording, loaded: Recording, replaced: Collection[str], resting: int) -> list[tuple[int, int]]:
    """Where JavaScript may write: on the stack, and what it was given just now. `replaced`: exports that give again
    what they gave."""
    calls = [call for call in loaded.loads if call.name not in replaced]
    return [(resting - _USED, resting), *allocated(calls, _first(recording), resting)]


def overwritten(recording: Recording, loaded: Recording, own: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Addresses in memory 0 of what was not zero when it was captured, and where JavaScript wrote something else; but
    for its `own`."""
    if loaded.overwritten:
        before, now = recording.memories[0], loaded.memories[0]
        for start, end in loaded.overwritten:
            yield from _changed(before, now, start, end, own)


def _first_changed(recording: Recording, loaded: Recording, own: Sequence[tuple[int, int]]) -> int | None:
    """The first address of what is not as it was captured, whoever wrote there."""
    before, now = (one.memories.get(0, memoryview(b"")) for one in (recording, loaded))
    for start in range(0, min(len(before), len(now)), _BLOCK):
        end = start + _BLOCK
        if before[start:end].tobytes() != now[start:end].tobytes():
            for at in _changed(before, now, start, end, own):
                return at
    return None


def _changed(
    before: memoryview, now: memoryview, start: int, end: int, own: Sequence[tuple[int, int]]
) -> Iterator[int]:
    for at in range(start, min(end, len(before), len(now))):
        if before[at] and before[at] != now[at] and not any(low <= at < high for low, high in own):
            yield at
