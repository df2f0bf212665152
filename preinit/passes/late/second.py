"""A second run, in a larger environment: what of memory depends on where the environment lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ...errors import LateBinding, PreinitError, TimeLimit, UsageError
from ...host import Clock
from ..capture.memories import capture_memories
from ..plan.job import Job
from ..run import Paused, run_again
from ..run.observed import Observed, numbers, observe_globals
from ..snapshot import MemoryState
from . import find


class Second(NamedTuple):
    """What some words of memory hold there, and some globals: keys as in `find`.

    Parameters
    ----------
    numbers: all of them.
    arrays: those that hold the address of an array of the environment that is alive.
    variables, entries, arguments: those that hold a place in a variable's text, in an array, in an argument's text.
    """

    numbers: dict[int, int]
    arrays: dict[int, int]
    variables: dict[int, find.Taken]
    entries: dict[int, find.Entry]
    arguments: dict[int, find.Taken]


def second_run(job: Job, first: Paused, index: int, step: int, wanted: Collection[int]) -> Second:
    """What `wanted` hold in the memory `index` of the `step`th run in a larger environment.

    Raises `LateBinding` where the guest fails there, `TimeLimit`.
    """
    if first.other is not None and step == 0:
        other = first.other
        return job.deadline.start(lambda: _observed(job, other, index, wanted)).result()
    try:
        other = run_again(job.in_larger_world(step), first, Clock())
    except (TimeLimit, UsageError):
        raise
    except PreinitError as problem:
        raise LateBinding(
            f"with more environment variables, the initializer fails: {problem.what}",
            hint="What is bound late is found by running it twice: it must do the same in any environment.",
        ) from problem
    try:
        return job.deadline.start(lambda: _observed(job, other, index, wanted)).result()
    finally:
        other.close()


def _observed(job: Job, other: Paused, index: int, wanted: Collection[int]) -> Second:
    after = Observed(observe_globals(job.module, other.instrumented, other.instance), {})
    globals_ = find.changed_globals(numbers(job.module, after), numbers(job.module, other.before))
    state = capture_memories(job.module, other.instrumented, other.instance)[index]
    fetches = find.alive(other.world.environment.all, state)
    held = numbers_of(state, globals_, wanted)
    arrays = {fetch.array for fetch in fetches}
    variables: dict[int, find.Taken] = {}
    entries: dict[int, find.Entry] = {}
    arguments: dict[int, find.Taken] = {}
    for fetch in fetches:
        variables.update(find.texts_at(fetch, held, values=True))
        entries.update(find.entries_at(fetch, held))
    for fetch in find.alive(other.world.arguments.all, state):
        arguments.update(find.texts_at(fetch, held, values=False))
    return Second(
        held,
        {word: value for word, value in held.items() if value in arrays},
        variables,
        entries,
        arguments,
    )


def numbers_of(state: MemoryState, globals_: Mapping[int, int], wanted: Collection[int]) -> dict[int, int]:
    """What those words and globals hold."""
    return {
        key: globals_.get(key, 0) if key < 0 else int.from_bytes(state.content[key : key + find.WORD], "little")
        for key in wanted
    }
