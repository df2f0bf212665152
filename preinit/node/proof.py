"""Is an output what was captured? It is loaded in its own glue, in a fresh Node: its state and its answer are compared.

Before and after are measured at the same time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..binary.module import Module, parse
from ..errors import (
    AnswerDiffers,
    CaptureRefused,
    OutputInvalid,
    PreinitError,
    ScriptFailed,
    TimeLimit,
    Unsupported,
    printable,
)
from ..passes.audit.ranges import differing_ranges
from ..passes.rewrite.module import Rewritten
from ..passes.snapshot import MemoryState, Snapshot
from ..result import LoadedDifference, StartTimes
from ..tuples import NamedTuple
from .instrument import instrument
from .kept import SET_AGAIN, Left, in_words, left_between
from .recording import Recording, read_outcome, recording_of
from .runs import Script, run

#: How often each is started where that takes less than so many seconds, otherwise once.
ROUNDS, _SHORT = 3, 1.0
#: All bits of a byte that is not zero.
_FILLED = b"\0" + b"\xff" * 255
#: What a message shows of undefined, and of null.
_NO_ANSWER = "nothing (undefined, or null)"
#: Characters of an answer that a message shows.
_SHOWN = 300


class Proof(NamedTuple):
    """See `CaptureFacts`. `loaded`: the output once its glue has loaded it, where that is known. `unused`: see
    `_unused`; `left`: what JavaScript holds otherwise."""

    answered: bool | None
    differences: tuple[LoadedDifference, ...] | None
    before: StartTimes | None
    after: StartTimes | None
    loaded: Recording | None = None
    unused: str = ""
    left: Left = Left()


def load(
    script: Script, outputs: Iterable[Rewritten], folder: Path, stage: Callable[[str], Any]
) -> tuple[Rewritten, Recording | None]:
    """The first of the outputs that Node takes, and what it holds once its glue has loaded it; None where no part of a
    bare script says that it is loaded.

    Raises `OutputInvalid` if Node takes none, `AnswerDiffers` if it can't be loaded.
    """
    invalid: OutputInvalid | None = None
    for number, output in enumerate(outputs):
        with stage("load"):
            try:
                return output, _loaded(script, output, folder / f"load{number}")
            except OutputInvalid as problem:
                invalid = problem
    assert invalid is not None
    raise invalid


def prove(
    script: Script,
    snapshot: Snapshot,
    output: Rewritten,
    loaded: Recording | None,
    folder: Path,
    stage: Callable[[str], Any],
) -> Proof:
    """`loaded`: see `load`. Raises `AnswerDiffers` where the output does not answer as the input does, or fails."""
    if loaded is None:  # no part of a bare script is what prepares the program, so nothing else can be compared
        return Proof(None, None, None, None)
    differences = tuple(_differences(script.module, snapshot, loaded))
    with stage("answer"):
        before, after = _answers(script, output, folder)
    expected, answered = [_answer(runs, which) for runs, which in ((before, "input"), (after, "output"))]
    if expected != answered:
        if len(before) == 1:  # nothing has shown yet that the input answers alike each time
            before.append(run(script, "time", folder / "again", script.module.data, _drop))
            _answer(before, "input")
        raise _differs(expected, answered, _unused(before[0]), left_between(before[0], after[0]))
    times = [StartTimes(_median(runs, "total"), _median(runs, "compile")) for runs in (before, after)]
    proven = None if expected is None else True
    return Proof(proven, differences, times[0], times[1], loaded, _unused(before[0]), left_between(before[0], after[0]))


def _unused(outcome: dict[str, Any]) -> str:
    """What the script does with names that may be misspelt, in words; nothing if none may be."""
    pairs = [(printable(str(name)), printable(str(meant))) for name, meant in outcome.get("unused", ())]
    return ", ".join(f"exports {name}, which nothing calls, and no {meant}" for name, meant in pairs)


def _loaded(script: Script, output: Rewritten, place: Path) -> Recording | None:
    copy, facts = instrument(parse(output.wasm, libraries=True))
    try:
        outcome = run(script, "load", place, copy, _drop, facts, validates=output.wasm)
    except CaptureRefused:
        return None
    except ScriptFailed as problem:
        raise AnswerDiffers(
            f"the output can't be loaded by its own glue: {problem.what}", where=problem.where
        ) from problem
    return recording_of(outcome, place)


def _drop(_piece: bytes) -> None:
    pass


def _answers(script: Script, output: Rewritten, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What input and output answer, and how long it took, in turns."""
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for number in range(ROUNDS):
        place = folder / f"before{number}"
        found[0].append(run(script, "time", place, script.module.data, _drop))
        try:
            found[1].append(run(script, "time", folder / f"after{number}", output.wasm, _drop, resumes=True))
        except TimeLimit:
            raise
        except PreinitError as problem:
            left = left_between(found[0][-1], read_outcome(folder / f"after{number}") or {})
            said = "".join(f"\n    {one}" for one in in_words(left))
            raise AnswerDiffers(
                f"the output fails in its own glue: {problem.what}{said}",
                where=problem.where,
                hint=f"{SET_AGAIN}." if left else None,
            ) from problem
        if found[0][0]["total"] > _SHORT * 1000:
            break
    return found


def _answer(runs: Sequence[dict[str, Any]], which: str) -> str | None:
    answers = {outcome.get("answer") for outcome in runs}
    if len(answers) > 1:
        raise Unsupported(
            f"the {which} gives another answer in each run, so answers can't be compared",
            hint="Have answer(program) return what does not depend on when, or how often, it is called.",
        )
    (answer,) = answers
    return None if answer is None else str(answer)


def _median(runs: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.median(float(outcome[key]) for outcome in runs) / 1000


def _differs(before: str | None, after: str | None, unused: str, left: Left) -> AnswerDiffers:
    expected, answered = (_NO_ANSWER if text is None else text or "an empty text" for text in (before, after))
    at = next((i for i, pair in enumerate(zip(expected, answered, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, at - _SHOWN // 3)
    said = [printable(text[start : start + _SHOWN]) for text in (expected, answered)]
    return AnswerDiffers(
        f"the output gives another answer than the input (at character {at})\n"
        f"    the input answers: {said[0]}\n    the output answers: {said[1]}"
        + (f"\n    the script {unused}" if unused else "")
        + "".join(f"\n    {one}" for one in in_words(left)),
        hint=f"{SET_AGAIN}." if left else None,
    )


def _differences(module: Module, snapshot: Snapshot, loaded: Recording) -> Iterator[LoadedDifference]:
    for index, state in enumerate(snapshot.memories):
        now = loaded.memories[index]
        if len(now) != len(state.content):
            yield LoadedDifference("memory size", index, end=len(now))
        for start, end in differing_ranges(state, MemoryState(len(now) // module.memories[index].page_size, now)):
            yield LoadedDifference("memory", index, start, end, *_changed(state.content[start:end], now[start:end]))
    for index, bits in snapshot.globals.numbers.items():
        if module.globals[index].mutable and loaded.state.numbers.get(index) != bits:
            yield LoadedDifference("global", index)
    for index, entries in snapshot.tables.changed.items():
        now_entries = loaded.state.tables[index]
        if len(now_entries) != len(entries):
            yield LoadedDifference("table size", index, end=len(now_entries))
        places = [i for i, pair in enumerate(zip(entries, now_entries, strict=False)) if pair[0] != pair[1]]
        if places:
            yield LoadedDifference("table", index, places[0], places[-1] + 1, len(places))


def _changed(captured: memoryview, now: memoryview) -> tuple[int, int]:
    """How many bytes differ, and at how many of these there was something: not zero, as memory is that nothing uses."""
    size = len(captured)
    before = captured.tobytes()
    bits = int.from_bytes(before, "little") ^ int.from_bytes(now, "little")
    filled = bits & int.from_bytes(before.translate(_FILLED), "little")
    changed, held = (size - found.to_bytes(size, "little").count(0) for found in (bits, filled))
    return changed, held
