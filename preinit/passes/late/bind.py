"""From a paused guest to what its output binds when it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, TypeVar

from ...binary.late import late_places
from ...binary.module import Module
from ...errors import LateBinding, PreinitError, TimeLimit, UsageError
from ...host import Clock, Fetch, Fetches
from ...host.imports import wasi_parameters
from ...options.hints import option
from ...result import LateFacts
from ..capture.memories import capture_memories
from ..plan.job import LARGER_STEPS, LATE_MARKER, Job
from ..run import Paused, run_again
from ..run.observed import Observed, numbers, observe_globals
from ..snapshot import MemoryState, Snapshot
from . import find
from .fetching import fetching
from .rooms import room_of
from .runtimes import GO_HINT, is_go
from .stack import dead_stack
from .value import Bound, Late

_WHERE = "Read it in an entry point: docs/world.md says how, for each language."

T = TypeVar("T")


class _Agreed(NamedTuple):
    """Arrays whose words are the same in two runs; how many words are not; what was found in the second run."""

    arrays: tuple[Bound, ...]
    elsewhere: int
    second: _Other | None = None


class _Other(NamedTuple):
    """A run in a larger environment: the words that hold an array's address, with that address; whether the guest made
    an array of its own; what holds a place in a variable's text, in an array, in an argument's text; what words that
    may hold such a place hold there."""

    words: dict[int, int]
    changed: bool
    taken: dict[int, find.Taken]
    entries: dict[int, find.Entry]
    arguments: dict[int, find.Taken]
    numbers: dict[int, int]


def bind(job: Job, first: Paused, snapshot: Snapshot) -> Late:
    """What the output fetches when it starts, of what the job's options say; where they leave that open, what can be.

    Raises `LateBinding` where something is held, was asked for and can't be bound, `TimeLimit`.
    """
    if job.options.late is not None:
        return _bind(job, first, snapshot, job.options.late)
    cause = None
    for wanted in (job.options.wants_late, ("args",)):
        try:
            late = _bind(job, first, snapshot, wanted)
        except LateBinding as problem:
            cause = cause or problem.what
            continue
        return late._replace(facts=replace(late.facts, environment=late.facts.environment or "unbound", cause=cause))
    late = _bind(job, first, snapshot, ())
    return late._replace(facts=replace(late.facts, environment="unbound", arguments="unbound", cause=cause))


def _bind(job: Job, first: Paused, snapshot: Snapshot, wanted: Sequence[str]) -> Late:
    """What the output fetches of what is `wanted`.

    Runs the guest again, in a larger environment: what holds the address of libc's array holds it there, too.
    Raises `LateBinding` where something is held and can't be bound, `TimeLimit`.
    """
    index = memory_index(job.module)
    state = snapshot.memories[index] if snapshot.memories else MemoryState(0, memoryview(b""))
    globals_ = find.changed_globals(snapshot.globals.numbers, snapshot.globals.numbers_before)
    arrays: tuple[Bound, ...] = ()
    arguments = None
    if "args" in wanted:
        fetches = first.world.arguments
        arguments = _status(first.host.arguments_read, fetches)
        alive = [] if is_go(job.module) else find.alive(fetches.all, state)  # Go keeps addresses and lengths
        whole = [fetch for fetch in alive if find.is_whole(fetch, state)]
        held = set(find.in_frames(snapshot.frames))  # `main` has it in a local
        found = _found(job, whole, fetches, state)
        arrays = tuple(one for one in found if one.words or one.array in held)
        arguments = "bound" if arrays else arguments
        check_imports(job.module, "args", bool(arrays))
        check_room(job.module, index, arrays)
    others = _texts_held(job, state, globals_, first.world.arguments, arrays, values=False)
    unsure = [*others]
    agreed, environment = _Agreed((), 0), None
    kept: Sequence[Bound] = ()
    variables: dict[int, find.Taken] = {}
    if "env" in wanted:
        fetches = first.world.environment
        environment = _status(first.host.environment_read, fetches)
        if environment == "unbound":
            check_runtime(job.module)
        alive = find.alive(fetches.all, state)
        if alive:
            kept = _found(job, alive, fetches, state)
            check_imports(job.module, "environ", any(one.words for one in kept))
            check_room(job.module, index, _with_room(kept))
            variables = _texts_held(job, state, globals_, fetches, kept, values=True)
            unsure = [*others, *variables]
            agreed = _own(job, state, kept) or _environment(job, first, index, kept, unsure)
            environment = "bound" if agreed.arrays else environment
    changed = any(
        not find.is_whole(fetch, state)
        for fetch in first.world.environment.all
        if any(fetch.array == one.array for one in agreed.arrays)
    )
    second = agreed.second
    if others and second is None:
        with suppress(LateBinding):  # a guest that fails in that may hold addresses, or numbers
            second = _other_run(job, first, index, 0, unsure)
    if {one.array for one in agreed.arrays} != {one.array for one in kept}:
        variables = _texts_held(job, state, globals_, first.world.environment, agreed.arrays, values=True)
    others, variables = _addresses(second, others, variables, _numbers(state, globals_, unsure))
    entries = _entries_held(job, state, globals_, first.world.environment, agreed)
    if index == 0 and (others or variables or entries):
        dead = dead_stack(job.module, snapshot)
        others, variables = _outside(dead, others), _outside(dead, variables)
        entries = _outside(dead, entries)
    facts = LateFacts(
        environment=environment,
        environment_words=tuple(sorted({word for one in agreed.arrays for word in one.words})),
        environment_arrays=len(agreed.arrays),
        environment_changed=changed,
        elsewhere=agreed.elsewhere,
        arguments=arguments,
        argument_arrays=tuple(one.array for one in arrays),
        argument_count=arrays[0].strings if arrays else 0,
        texts=len(variables.keys() | others.keys()),
        variables_held=tuple(dict.fromkeys(taken.title for taken in variables.values())),
        arguments_held=tuple(dict.fromkeys(int(taken.title) for taken in others.values())),
        entries_held=tuple(dict.fromkeys(entry.title for entry in entries.values())),
        environment_globals=tuple(~key for key, value in globals_.items() if value in {a.array for a in agreed.arrays}),
        environment_active=_active(job, snapshot, first.world.environment, agreed.arrays, array=True),
        arguments_active=_active(job, snapshot, first.world.arguments, arrays, array=False),
        environment_room=next((one.room.size for one in reversed(agreed.arrays) if one.room), 0),
        arguments_room=min((one.room.size for one in arrays if one.room), default=0),
    )
    check_room(job.module, index, _with_room(agreed.arrays))
    return Late(index, agreed.arrays, arrays, facts)


def _texts_held(
    job: Job,
    state: MemoryState,
    globals_: Mapping[int, int],
    fetches: Fetches,
    arrays: Sequence[Bound],
    values: bool,
) -> dict[int, find.Taken]:
    """What holds a place in a text of those arrays, by its word's address, or `~index` of a global."""
    bound = {one.array for one in arrays}
    kept = [fetch for fetch in fetches.all if fetch.array in bound]
    held: dict[int, find.Taken] = {}
    if kept:
        for found in job.deadline.start(lambda: [find.texts_held(f, state, globals_, values) for f in kept]).result():
            held.update(found)
    return held


def _entries_held(
    job: Job, state: MemoryState, globals_: Mapping[int, int], fetches: Fetches, agreed: _Agreed
) -> dict[int, find.Entry]:
    """What holds a place in one of those arrays, and did so in a second run: it may be a number by chance."""
    second = agreed.second
    bound = {one.array for one in agreed.arrays}
    kept = [fetch for fetch in fetches.all if fetch.array in bound]
    if not kept or second is None:
        return {}
    search = job.deadline.start(lambda: [find.entries_held(fetch, state, globals_) for fetch in kept])
    return {
        word: entry
        for found in search.result()
        for word, entry in found.items()
        if entry.is_same(second.entries.get(word))
    }


def _outside(dead: range, held: Mapping[int, T]) -> dict[int, T]:
    return {word: place for word, place in held.items() if word not in dead}


def _addresses(
    second: _Other | None,
    others: Mapping[int, find.Taken],
    variables: Mapping[int, find.Taken],
    numbers: Mapping[int, int],
) -> tuple[dict[int, find.Taken], dict[int, find.Taken]]:
    """What of the words that may hold places in texts of arguments, and of variables, does hold such a place.

    A word is none that has the same number in a second run, where that text lies elsewhere. Where nothing shows that,
    an argument is taken for held; of a variable only its beginning, and that of its value, are.
    """

    def by_chance(word: int) -> bool:
        return second is not None and second.numbers.get(word) == numbers[word]

    held = {
        word: taken
        for word, taken in others.items()
        if (second is not None and second.arguments.get(word) == taken) or not by_chance(word)
    }
    kept = {
        word: taken
        for word, taken in variables.items()
        if (second is not None and second.taken.get(word) == taken) or (taken.begins and not by_chance(word))
        if not (word >= 0 and taken.title == LATE_MARKER[0])  # what is left over of the strings' address
    }
    return held, kept


def _numbers(state: MemoryState, globals_: Mapping[int, int], wanted: Sequence[int]) -> dict[int, int]:
    """What those words and globals hold: keys as in `find`."""
    return {
        key: globals_.get(key, 0) if key < 0 else int.from_bytes(state.content[key : key + find.WORD], "little")
        for key in wanted
    }


def _active(job: Job, snapshot: Snapshot, fetches: Fetches, arrays: Sequence[Bound], array: bool) -> int:
    bound = {one.array for one in arrays}
    kept = [fetch for fetch in fetches.all if fetch.array in bound]
    own = fetching(job.module, snapshot.frames, "args_get") if kept and not array else frozenset()
    return sum(find.pointing(fetch, snapshot.frames, array, own) for fetch in kept)


def memory_index(module: Module) -> int:
    """The memory in which WASI's functions find the guest: its export "memory"."""
    exported = module.exported("memory")
    return exported.target if exported and exported.target < len(module.memories) else 0


def _status(asked: bool, fetches: Fetches) -> str:
    """Before anything was found: what a guest never asked for it asks for in its instance."""
    return "unbound" if asked or fetches.calls else "unneeded"


def check_runtime(module: Module) -> None:
    """Raises `LateBinding` for a module whose language's runtime keeps a copy in a form of its own."""
    if is_go(module):
        raise LateBinding(
            "Go's runtime keeps its own copy of the environment, not one that could be bound when an instance starts",
            hint=f"{GO_HINT}, and leave `--late env` out.",
        )


def check_imports(module: Module, kind: str, binds: bool) -> None:
    """Raises `LateBinding` where an output would have to call what the module does not import."""
    there = {entry.name for entry in module.imports if wasi_parameters(module, entry) is not None}
    missing = [name for name in (f"{kind}_sizes_get", f"{kind}_get") if binds and name not in there]
    if missing:
        raise LateBinding(
            f"an instance would have to call `{missing[0]}`, which the module does not import with its usual type",
            hint=_WHERE,
        )


def check_room(module: Module, index: int, arrays: Sequence[Bound]) -> None:
    """Raises `LateBinding` where there is nowhere to put what an instance brings."""
    if not arrays:
        return
    if module.memories[index].is_64:
        raise LateBinding(
            f"memory {index} has 64-bit addresses, and what an instance fetches is bound with 32 bits",
            hint=_WHERE,
        )
    if any(one.room is None for one in arrays):
        raise LateBinding(
            "the guest has made no room for what is larger than what it was given: it did not ask how large that is, "
            "or did not fetch it when told of more, or has it on its stack, or used that room for something else",
            hint=f"Where it has a buffer of its own, say how much more fits in there, as in "
            f"`{option('--late-room', '1KiB')}`. {_WHERE}",
        )


def _with_room(found: Sequence[Bound]) -> Sequence[Bound]:
    """The arrays that something holds: those that have room, or all of them where none has. One room is enough."""
    held = [one for one in found if one.words]
    return [one for one in held if one.room] or held


def _found(job: Job, fetched: Sequence[Fetch], fetches: Fetches, state: MemoryState) -> list[Bound]:
    """What the guest keeps of some calls: words, and room."""
    made = late_places(job.module)

    def find_all() -> list[Bound]:
        return [find.bound(fetch, state, room_of(fetch, fetches, state, made)) for fetch in fetched]

    return job.deadline.start(find_all).result() if fetched else []


def _own(job: Job, state: MemoryState, found: Sequence[Bound]) -> _Agreed | None:
    """What an output binds by itself and says so, where that is all that it keeps: it lies at the same address in all
    environments, so that no second run shows it."""
    made = late_places(job.module)
    if made.environment is None or not found or any(one.array != made.environment.start for one in found):
        return None
    held = {word for one in found for word in one.words}
    return _Agreed(tuple(one._replace(words=made.words) for one in found), 0) if held.issuperset(made.words) else None


def _environment(job: Job, first: Paused, index: int, found: Sequence[Bound], unsure: Sequence[int]) -> _Agreed:
    held = {word: one.array for one in found for word in one.words}
    moves = True
    for step in range(LARGER_STEPS):
        second = _other_run(job, first, index, step, [*unsure, *held])
        other = second.words
        if second.changed:
            raise LateBinding(
                "the guest added variables to its environment while it was built (as setenv does), so the one that "
                "libc keeps is no longer the one that it fetched",
                hint=f"Set them when an instance starts. {_WHERE}",
            )
        same = {word for word in held if word in other}
        if same and all(other[word] == held[word] for word in same):
            moves = False  # so this run proves nothing
            continue
        if not same and not moves:
            break
        moved = {word for word in same if other[word] != held[word]}
        arrays = (one._replace(words=tuple(word for word in one.words if word in moved)) for one in found)
        elsewhere = {word for word in held.keys() - moved if second.numbers[word] != held[word]}
        return _Agreed(tuple(one for one in arrays if one.words), len(elsewhere), second)
    raise LateBinding(
        "the guest keeps its environment at an address that does not depend on its size, so nothing shows which words "
        "of memory hold that address",
        hint=_WHERE,
    )


def _other_run(job: Job, first: Paused, index: int, step: int, unsure: Sequence[int]) -> _Other:
    """What is found in a run with a larger environment. `unsure`: the words whose numbers there are wanted."""
    if first.other is not None and step == 0:
        other = first.other
        return job.deadline.start(lambda: _held(job, other, index, unsure)).result()
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
        return job.deadline.start(lambda: _held(job, other, index, unsure)).result()
    finally:
        other.close()


def _held(job: Job, other: Paused, index: int, unsure: Sequence[int]) -> _Other:
    observed = observe_globals(job.module, other.instrumented, other.instance)
    after = Observed(observed, {})
    globals_ = find.changed_globals(numbers(job.module, after), numbers(job.module, other.before))
    state = capture_memories(job.module, other.instrumented, other.instance)[index]
    fetches = find.alive(other.world.environment.all, state)
    found = [find.bound(fetch, state) for fetch in fetches]
    words = {word: one.array for one in found for word in one.words}
    changed = any(True for fetch in fetches for copy in find.copies(fetch, state) for _ in find.words(state, copy))
    taken: dict[int, find.Taken] = {}
    entries: dict[int, find.Entry] = {}
    arguments: dict[int, find.Taken] = {}
    for fetch in fetches:
        taken.update(find.texts_held(fetch, state, globals_, values=True))
        entries.update(find.entries_held(fetch, state, globals_))
    for fetch in find.alive(other.world.arguments.all, state) if unsure else ():
        arguments.update(find.texts_held(fetch, state, globals_, values=False))
    return _Other(words, changed, taken, entries, arguments, _numbers(state, globals_, unsure))
