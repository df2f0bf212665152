"""A second run, in a larger environment: what of memory depends on where the environment lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...errors import LateBinding, PreinitError, TimeLimit, UsageError
from ...host.wasi1.process import Clock, Fetch
from ...tuples import NamedTuple
from ..capture.memories import capture_memories
from ..plan.job import Job
from ..run.guest import run_again
from ..run.observed import Observed, numbers, observe_globals
from ..run.paused import Paused
from ..snapshot import MemoryState
from . import find


def has_replaced(fetched: Sequence[Fetch], memory: MemoryState, dead: range) -> bool:
    """Whether something holds the address of an array that the guest made of one that it fetched, as setenv does. One
    of few variables may look so by chance."""
    copies = (copy for fetch in fetched for copy in find.copies(fetch, memory))
    return any(word not in dead for copy in copies for word in find.words(memory, copy))


class Second(NamedTuple):
    """What some words of memory hold there, and some globals: keys as in `find`.

    Parameters
    ----------
    numbers: all of them.
    arrays: those that hold the address of an array of the environment that is alive.
    variables, entries, arguments: those that hold a place in a variable's text, in an array, in an argument's text.
    changed: whether the guest made an array of its own; looked for where that was asked for.
    """

    numbers: dict[int, int]
    arrays: dict[int, int]
    variables: dict[int, find.Taken]
    entries: dict[int, find.Entry]
    arguments: dict[int, find.Taken]
    changed: bool


def second_run(
    job: Job, first: Paused, index: int, step: int, wanted: Collection[int], may_change: bool = False
) -> Second:
    """What `wanted` hold in the memory `index` of the `step`th run in a larger environment. `may_change`: whether the
    guest may have made an array of its own.

    Raises `LateBinding` where the guest fails there, `TimeLimit`.
    """
    if first.other is not None and step == 0:
        other = first.other
        return job.deadline.start(lambda: _observed(job, other, index, wanted, may_change)).result()
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
        return job.deadline.start(lambda: _observed(job, other, index, wanted, may_change)).result()
    finally:
        other.close()


def _observed(job: Job, other: Paused, index: int, wanted: Collection[int], may_change: bool) -> Second:
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
        entries.update(find.entries_at(fetch, held))
    for fetch in find.intact(other.world.environment.all, state):
        variables.update(find.texts_at(fetch, held, values=True))
    for fetch in find.intact(other.world.arguments.all, state):
        arguments.update(find.texts_at(fetch, held, values=False))
    return Second(
        held,
        {word: value for word, value in held.items() if value in arrays},
        variables,
        entries,
        arguments,
        may_change and has_replaced(fetches, state, range(0)),
    )


def numbers_of(state: MemoryState, globals_: Mapping[int, int], wanted: Collection[int]) -> dict[int, int]:
    """What those words and globals hold."""
    return {
        key: globals_.get(key, 0) if key < 0 else int.from_bytes(state.content[key : key + find.WORD], "little")
        for key in wanted
    }
