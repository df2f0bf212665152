"""From a paused guest to what its output binds when it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from ...binary.late import late_places
from ...binary.module import Module
from ...errors import LateBinding
from ...host.imports import wasi_parameters
from ...host.wasi1.process import Fetch, Fetches
from ...options.build import LATE
from ...options.hints import option
from ...records import replaced
from ...result import LateFacts
from ...tuples import NamedTuple
from ..plan.job import LARGER_STEPS, LATE_MARKER, Job
from ..run.paused import Paused
from ..run.rooms import stack_top
from ..snapshot import MemoryState, Snapshot
from . import find
from .fetching import fetching
from .rooms import room_of
from .runtimes import GO_HINT, is_go
from .second import Second, has_replaced, numbers_of, second_run
from .stack import dead_stack
from .value import Bound, Late

_WHERE = "Read it in an entry point: docs/world.md says how, for each language."


class _Places(NamedTuple):
    """Where things are found: the memory, its index, globals that the guest set, and the part of the memory that nobody
    reads any more, since calls that have returned left it on the stack."""

    number: int
    memory: MemoryState
    globals: dict[int, int]
    dead: range


class _Agreed(NamedTuple):
    """Arrays whose words are the same in two runs; how many words are not; what was found in the second run."""

    arrays: tuple[Bound, ...] = ()
    elsewhere: int = 0
    second: Second | None = None


def bind(job: Job, first: Paused, snapshot: Snapshot) -> Late:
    """What the output fetches when it starts, of what the job's options say; where they leave that open, what can be.

    Raises `LateBinding` where something is held, was asked for and can't be bound, `TimeLimit`.
    """
    if job.options.late is not None:
        return _bind(job, first, snapshot, job.options.late)
    problems: dict[tuple[str, ...], str] = {}
    for wanted in (LATE, ("env",), ("args",), ()):
        try:
            late = _bind(job, first, snapshot, wanted)
        except LateBinding as problem:
            problems[wanted] = problem.what
            continue
        # Where one of them is bound alone, what went wrong with both is about the other one.
        facts = replaced(
            late.facts,
            environment=late.facts.environment or "unbound",
            arguments=late.facts.arguments or "unbound",
            cause=problems.get(("env",)),
            arguments_cause=problems.get(("args",), problems.get(LATE) if wanted == ("env",) else None),
        )
        return late._replace(facts=facts)
    raise AssertionError("nothing can be wrong where nothing is wanted")


def _bind(job: Job, first: Paused, snapshot: Snapshot, wanted: Sequence[str]) -> Late:
    """What the output fetches of what is `wanted`.

    Runs the guest again, in a larger environment: what holds the address of libc's array holds it there, too.
    Raises `LateBinding` where something is held and can't be bound, `TimeLimit`.
    """
    index = memory_index(job.module)
    places = _Places(
        index,
        snapshot.memories[index] if snapshot.memories else MemoryState(0, memoryview(b"")),
        find.changed_globals(snapshot.globals.numbers, snapshot.globals.numbers_before),
        dead_stack(job.module, snapshot) if index == 0 and snapshot.memories else range(0),
    )
    arrays, arguments = _arguments(job, first, snapshot, places) if "args" in wanted else ((), None)
    others = _texts_held(job, places, first.world.arguments, values=False) if arrays else {}
    kept, environment = _kept(job, first, places) if "env" in wanted else ((), None)
    variables = _texts_held(job, places, first.world.environment, values=True) if kept else {}
    entries = _entries_held(job, places, first.world.environment, kept)
    agreed = _Agreed()
    if kept:
        sought = {*others, *variables, *entries}
        agreed = _own(job, kept) or _environment(job, first, index, kept, sought)
        environment = "bound" if agreed.arrays else environment
    second = agreed.second
    if others and second is None:
        with suppress(LateBinding):  # a guest that fails in that may hold addresses, or numbers
            second = second_run(job, first, index, 0, others)
    if not agreed.arrays:
        variables, entries = {}, {}
    others, variables = _addresses(second, others, variables, places)
    entries = {w: entry for w, entry in entries.items() if second and entry.is_same(second.entries.get(w))}
    bound = tuple(one for one in agreed.arrays if one.room)
    facts = LateFacts(
        environment=environment,
        environment_words=tuple(sorted({word for one in bound for word in one.words})),
        environment_arrays=len(bound),
        environment_changed=any(
            not find.is_whole(fetch, places.memory)
            for fetch in first.world.environment.all
            if any(fetch.array == one.array for one in bound)
        ),
        elsewhere=agreed.elsewhere + sum(len(one.words) for one in agreed.arrays if not one.room),
        arguments=arguments,
        argument_arrays=tuple(one.array for one in arrays),
        argument_count=arrays[0].strings if arrays else 0,
        texts=len(variables.keys() | others.keys()),
        variables_held=tuple(dict.fromkeys(taken.title for taken in variables.values())),
        arguments_held=tuple(dict.fromkeys(int(taken.title) for taken in others.values())),
        entries_held=tuple(dict.fromkeys(entry.title for entry in entries.values())),
        environment_globals=tuple(~key for key, value in places.globals.items() if value in {a.array for a in bound}),
        environment_active=_active(job, snapshot, first.world.environment, bound, array=True),
        arguments_active=_active(job, snapshot, first.world.arguments, arrays, array=False),
        environment_room=min((one.room.size for one in bound if one.room), default=0),
        arguments_room=min((one.room.size for one in arrays if one.room), default=0),
    )
    return Late(index, bound, arrays, facts)


def _arguments(job: Job, first: Paused, snapshot: Snapshot, places: _Places) -> tuple[tuple[Bound, ...], str]:
    """The arrays of the arguments that the guest keeps, and what became of them.

    Raises `LateBinding` where one of them has no room.
    """
    fetches = first.world.arguments
    alive = [] if is_go(job.module) else find.alive(fetches.all, places.memory)  # Go keeps addresses and lengths
    whole = [fetch for fetch in alive if find.is_whole(fetch, places.memory)]
    held = set(find.in_frames(snapshot.frames))  # `main` has it in a local
    arrays = tuple(one for one in _found(job, whole, fetches, places) if one.words or one.array in held)
    check_imports(job.module, "args", bool(arrays))
    check_room(job.module, places.number, arrays, whole, all(one.room for one in arrays))
    return arrays, "bound" if arrays else _status(first.host.arguments_read, fetches)


def _kept(job: Job, first: Paused, places: _Places) -> tuple[tuple[Bound, ...], str]:
    """The arrays of the environment that words of memory hold the address of, and what becomes of it without them.

    Raises `LateBinding` where none of them has room, or the guest has made another one.
    """
    fetches = first.world.environment
    status = _status(first.host.environment_read, fetches)
    if status == "unbound":
        check_runtime(job.module)
    alive = find.alive(fetches.all, places.memory)
    memory, dead = places.memory, places.dead
    if (
        alive
        and job.deadline.start(lambda: has_replaced(alive, memory, dead)).result()
        and second_run(job, first, places.number, 0, (), may_change=True).changed
    ):
        raise LateBinding(
            "the guest added variables to its environment while it was built (as setenv does), so the one that "
            "libc keeps is no longer the one that it fetched",
            hint=f"Set them when an instance starts. {_WHERE}",
        )
    found = _found(job, alive, fetches, places)
    held = tuple(one for one in found if one.words)
    check_imports(job.module, "environ", bool(held))
    check_room(job.module, places.number, held, alive, any(one.room for one in held))
    return held, status


def _texts_held(job: Job, places: _Places, fetches: Fetches, values: bool) -> dict[int, find.Taken]:
    """What holds a place in a text that was fetched, by its word's address, or `~index` of a global: whatever became of
    the array, as who sorts it takes its beginning for another."""

    def search() -> dict[int, find.Taken]:
        arrays = find.as_fetched(fetches.all, places.memory)
        found = (
            find.texts_held(fetch, places.memory, places.globals, values)
            for fetch in find.intact(fetches.all, places.memory)
        )
        return {w: taken for one in found for w, taken in one.items() if w not in places.dead and w not in arrays}

    return job.deadline.start(search).result()


def _entries_held(job: Job, places: _Places, fetches: Fetches, arrays: Sequence[Bound]) -> dict[int, find.Entry]:
    """What may hold a place in one of those arrays, or a number by chance."""
    kept = _fetched(fetches, arrays)

    def search() -> dict[int, find.Entry]:
        found = (find.entries_held(fetch, places.memory, places.globals) for fetch in kept)
        return {word: entry for one in found for word, entry in one.items() if word not in places.dead}

    return job.deadline.start(search).result() if kept else {}


def _fetched(fetches: Fetches, arrays: Sequence[Bound]) -> list[Fetch]:
    bound = {one.array for one in arrays}
    return [fetch for fetch in fetches.all if fetch.array in bound]


def _addresses(
    second: Second | None,
    others: Mapping[int, find.Taken],
    variables: Mapping[int, find.Taken],
    places: _Places,
) -> tuple[dict[int, find.Taken], dict[int, find.Taken]]:
    """What of the words that may hold places in texts of arguments, and of variables, does hold such a place.

    A word is none that has the same number in a second run, where that text lies elsewhere. Where nothing shows that,
    an argument is taken for held; of a variable only its beginning, and that of its value, are.
    """
    here = numbers_of(places.memory, places.globals, {*others, *variables})

    def by_chance(word: int) -> bool:
        return second is not None and second.numbers.get(word) == here[word]

    held = {
        word: taken
        for word, taken in others.items()
        if (second is not None and second.arguments.get(word) == taken) or not by_chance(word)
    }
    kept = {
        word: taken
        for word, taken in variables.items()
        if (second is not None and second.variables.get(word) == taken) or (taken.begins and not by_chance(word))
        if not (word >= 0 and taken.title == LATE_MARKER[0])  # what is left over of the strings' address
    }
    return held, kept


def _active(job: Job, snapshot: Snapshot, fetches: Fetches, arrays: Sequence[Bound], array: bool) -> int:
    kept = _fetched(fetches, arrays)
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


def check_room(module: Module, index: int, arrays: Sequence[Bound], fetched: Sequence[Fetch], is_there: bool) -> None:
    """Raises `LateBinding` where there is nowhere to put what an instance brings. `fetched`: what was fetched to those
    arrays, among others; `is_there`: whether there is room."""
    if not arrays:
        return
    if module.memories[index].is_64:
        raise LateBinding(
            f"memory {index} has 64-bit addresses, and what an instance fetches is bound with 32 bits",
            hint=_WHERE,
        )
    if is_there:
        return
    held, top = {one.array for one in arrays}, stack_top(module)
    if top is not None and any(fetch.strings < top for fetch in fetched if fetch.array in held):
        raise LateBinding(
            "the guest has what it was given below where its stack begins, where nothing shows how much room there is",
            hint=_WHERE,
        )
    raise LateBinding(
        "the guest has made no room for what is larger than what it was given: it did not ask how large that is, or "
        "asked several times, or did not fetch it when told of more, or used that room for something else",
        hint=f"Where it always allocates a buffer of the same size, say how much more fits in there, as in "
        f"`{option('--late-room', '1KiB')}`. {_WHERE}",
    )


def _found(job: Job, fetched: Sequence[Fetch], fetches: Fetches, places: _Places) -> list[Bound]:
    """What the guest keeps of some calls: words, and room."""
    made = late_places(job.module)

    def find_all() -> list[Bound]:
        return [
            find.bound(fetch, places.memory, room_of(fetch, fetches, places.memory, made), places.dead)
            for fetch in fetched
        ]

    return job.deadline.start(find_all).result() if fetched else []


def _own(job: Job, kept: Sequence[Bound]) -> _Agreed | None:
    """What an output binds by itself and says so, where that is all that it keeps: it lies at the same address in all
    environments, so that no second run shows it."""
    words = {room.start: words for room, words in late_places(job.module).environments.items()}
    if not all(one.array in words and set(words[one.array]) <= set(one.words) for one in kept):
        return None
    return _Agreed(tuple(one._replace(words=words[one.array]) for one in kept))


def _environment(job: Job, first: Paused, index: int, found: Sequence[Bound], sought: Collection[int]) -> _Agreed:
    """The words that hold an array's address in both of two runs, in which it lies elsewhere. `sought`: what else is to
    be looked at in the second one.

    Raises `LateBinding` where nothing shows that.
    """
    held = {word: one.array for one in found for word in one.words}
    moves = True
    for step in range(LARGER_STEPS):
        second = second_run(job, first, index, step, {*sought, *held})
        other = second.arrays
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
