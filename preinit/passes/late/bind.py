"""From a paused guest to what its output binds when it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...binary.module import Module
from ...binary.types import Limits
from ...errors import LateBinding, PreinitError, TimeLimit, UsageError, counted
from ...host import Clock, Fetches
from ...host.imports import wasi_parameters
from ...result import LateFacts
from ..capture.memories import capture_memories
from ..plan.job import LARGER, LATE_MARKER, Job, larger
from ..run import Paused, run_again
from ..snapshot import MemoryState, Snapshot
from . import find
from .allocators import check_allocators
from .runtimes import GO_HINT, is_go
from .value import ARGUMENTS_ROOM, ENVIRONMENT_ROOM, Bound, Late, Room

_WHERE = "Read it in an entry point: docs/world.md says how, for each language."


class _Agreed(NamedTuple):
    """Arrays whose words are the same in two runs; how many words are not; the words that hold a place in a text of the
    environment in the second run."""

    arrays: tuple[Bound, ...]
    elsewhere: int
    taken: Mapping[int, find.Taken] = {}


class _Other(NamedTuple):
    """A run in a larger environment: the words that hold an array's address, with that address; whether the guest made
    an array of its own; the words that hold a place in a text."""

    words: dict[int, int]
    changed: bool
    taken: dict[int, find.Taken]


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
    agreed, environment = _Agreed((), 0), None
    if "env" in wanted:
        fetches = first.world.environment
        environment = _status(first.host.environment_read, fetches)
        if environment == "unbound":
            check_runtime(job.module)
        alive = find.alive(fetches.all, state)
        if alive:
            kept = job.deadline.start(lambda: [find.bound(fetch, state) for fetch in alive]).result()
            agreed = _environment(job, first, index, kept)
            environment = "bound" if agreed.arrays else environment
    changed = any(
        not find.is_whole(fetch, state)
        for fetch in first.world.environment.all
        if any(fetch.array == one.array for one in agreed.arrays)
    )
    arrays: tuple[Bound, ...] = ()
    arguments = None
    if "args" in wanted:
        fetches = first.world.arguments
        arguments = _status(first.host.arguments_read, fetches)
        alive = [] if is_go(job.module) else find.alive(fetches.all, state)  # Go keeps addresses and lengths
        whole = [fetch for fetch in alive if find.is_whole(fetch, state)]
        held = set(find.in_frames(snapshot.frames))  # `main` has it in a local
        found = job.deadline.start(lambda: [find.bound(fetch, state) for fetch in whole]).result() if whole else []
        arrays = tuple(one for one in found if one.words or one.array in held)
        arguments = "bound" if arrays else arguments
    variables = _texts_held(job, state, first.world.environment, agreed.arrays, agreed.taken)
    others = _texts_held(job, state, first.world.arguments, arrays)
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
        variables_held=tuple(dict.fromkeys(variables.values())),
        arguments_held=tuple(dict.fromkeys(map(int, others.values()))),
        environment_active=_active(snapshot, first.world.environment, agreed.arrays, array=True),
        arguments_active=_active(snapshot, first.world.arguments, arrays, array=False),
    )
    check_imports(job.module, "environ", bool(agreed.arrays))
    check_imports(job.module, "args", bool(arrays))
    start = state.pages * job.module.memories[index].page_size if snapshot.memories else 0
    rooms = Room(start, ENVIRONMENT_ROOM), Room(start + ENVIRONMENT_ROOM, ARGUMENTS_ROOM)
    late = Late(index, agreed.arrays, arrays, *rooms, facts)
    if late.binds:
        job.deadline.start(lambda: check_room(job.module, job.module.memories[index], index, late.end)).result()
    return late


def _texts_held(
    job: Job,
    state: MemoryState,
    fetches: Fetches,
    arrays: Sequence[Bound],
    again: Mapping[int, find.Taken] | None = None,
) -> dict[int, str]:
    """The words that hold a text of those arrays, and whose it is. `again`: texts are variables, and these words held
    such a place in a second run. A place within a text may be a number by chance: it counts if it was there, too."""
    bound = {one.array for one in arrays}
    kept = [fetch for fetch in fetches.all if fetch.array in bound]
    values = again is not None
    held: dict[int, str] = {}
    for found in job.deadline.start(lambda: [find.texts_held(f, state, values) for f in kept]).result() if kept else ():
        for word, taken in found.items():
            if (taken.begins or (again or {}).get(word) == taken) and not (values and taken.title == LATE_MARKER[0]):
                held[word] = taken.title
    return held


def _active(snapshot: Snapshot, fetches: Fetches, arrays: Sequence[Bound], array: bool) -> int:
    bound = {one.array for one in arrays}
    return sum(find.pointing(fetch, snapshot.frames, array) for fetch in fetches.all if fetch.array in bound)


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


def check_room(module: Module, memory: Limits, index: int, end: int) -> None:
    """Raises `LateBinding` where nothing can lie behind the snapshot's memory."""
    if memory.is_64:
        raise LateBinding(
            f"memory {index} has 64-bit addresses, and what an instance fetches is bound with 32 bits",
            hint=_WHERE,
        )
    pages = -(-end // memory.page_size)
    most = memory.maximum if memory.maximum is not None else (1 << 32) // memory.page_size
    if pages > most:
        raise LateBinding(
            f"there is no room for the instance's environment: memory {index} may have {counted(most, 'page')}, and "
            f"{pages} are needed",
            hint="Link the module with a larger maximum: -Wl,--max-memory=BYTES.",
        )
    check_allocators(module, index)


def _environment(job: Job, first: Paused, index: int, found: Sequence[Bound]) -> _Agreed:
    held = {word: one.array for one in found for word in one.words}
    moves = True
    for size in LARGER:
        second = _other_run(job, first, index, size)
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
        return _Agreed(tuple(one for one in arrays if one.words), len(held.keys() - moved), second.taken)
    raise LateBinding(
        "the guest keeps its environment at an address that does not depend on its size, so nothing shows which words "
        "of memory hold that address",
        hint=_WHERE,
    )


def _other_run(job: Job, first: Paused, index: int, size: int) -> _Other:
    """What is found in a run with a larger environment."""
    if first.other is not None and size == LARGER[0]:
        other = first.other
        return job.deadline.start(lambda: _held(job, other, index)).result()
    try:
        other = run_again(job, first, replace(larger(job.options.host, size), quiet_guest=True), Clock())
    except (TimeLimit, UsageError):
        raise
    except PreinitError as problem:
        raise LateBinding(
            f"with more environment variables, the initializer fails: {problem.what}",
            hint="What is bound late is found by running it twice: it must do the same in any environment.",
        ) from problem
    try:
        return job.deadline.start(lambda: _held(job, other, index)).result()
    finally:
        other.close()


def _held(job: Job, other: Paused, index: int) -> _Other:
    state = capture_memories(job.module, other.instrumented, other.instance)[index]
    fetches = find.alive(other.world.environment.all, state)
    found = [find.bound(fetch, state) for fetch in fetches]
    words = {word: one.array for one in found for word in one.words}
    changed = any(True for fetch in fetches for copy in find.copies(fetch, state) for _ in find.words(state, copy))
    taken: dict[int, find.Taken] = {}
    for fetch in fetches:
        taken.update(find.texts_held(fetch, state, values=True))
    return _Other(words, changed, taken)
