"""Running the initializer again: once with other entropy, once with another clock, once with another environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import MemoryLimit, PreinitError, TimeLimit, UsageError
from ...host.wasi1.process import Clock
from ...options import Host
from ...records import replaced
from ...result import Difference
from ...symbols.places import Places
from ..capture import capture
from ..plan.job import Job
from ..rewrite.scrub import scrub
from ..run.guest import run_again
from ..run.paused import Paused
from ..snapshot import Snapshot
from .compare import Found, Run, compare, table_entries
from .ranges import by_cause

#: So far ahead that every byte of the time is another one, and one that moves with every reading.
_OTHER_CLOCK = Clock(ahead=0x1765_4321_89AB_CDEF, start=1_234_567, tick=1_234_567, readings=1)
_LARGEST_SEED = (1 << 64) - 1
_EXTRA_VARIABLE = ("PREINIT_AUDIT", "another environment")


def worlds(host: Host) -> Iterator[tuple[str, Host, Clock]]:
    """What differs, and a world that differs from `host` in nothing else.

    Of the environment, the variables that were given keep their values: they are part of the build's options. The
    host's own clocks and random numbers are others in every run: then places say more causes than they have.
    """
    host = replaced(host, quiet_guest=True)  # the guest can't tell, and what it prints was printed
    if host.random != "deny":
        other = host.random if host.seed is None else f"seed:{~host.seed & _LARGEST_SEED}"
        yield "entropy", replaced(host, random=other), Clock()
    yield "clock", host, _OTHER_CLOCK
    yield "environment", replaced(host, env=(_EXTRA_VARIABLE, *reversed(host.env))), Clock()


def audit(job: Job, first: Paused, snapshot: Snapshot) -> tuple[Difference, ...]:
    """What the initializer leaves in other worlds, and did not in the `first` run. Nothing means: no such place.

    `snapshot`: what the first run left, scrubbed if the output is. Raises `TimeLimit`.
    """
    run = Run(job.module, first, snapshot)
    found = [(cause, _differences(job, run, host, clock)) for cause, host, clock in worlds(job.options.host)]
    return tuple(_merged(job, run, found))


def _differences(job: Job, first: Run, host: Host, clock: Clock) -> Found:
    try:
        other = run_again(job.in_world(host), first.paused, clock)
    except (TimeLimit, UsageError):
        raise
    except PreinitError as problem:
        if type(problem) is MemoryLimit:  # the machine has no room for two: that says nothing about the guest
            raise
        return Found(outcome=problem.code)
    try:
        return _compared(job, first, other)
    except PreinitError as problem:
        return Found(outcome=problem.code)
    finally:
        other.close()  # after the views of its memories, which are gone with the frame that had them


def _compared(job: Job, first: Run, other: Paused) -> Found:
    snapshot = job.deadline.start(lambda: capture(job, other)).result()
    scrub(job, snapshot)
    return compare(first, Run(job.module, other, snapshot))


def _merged(job: Job, first: Run, found: Sequence[tuple[str, Found]]) -> Iterator[Difference]:
    """One entry for each place, with all that it depends on."""
    if not any(one.outcome or one.singles or one.ranges for _, one in found):
        return
    places = Places(job.module, job.deadline.check_time)
    for cause, one in found:
        if one.outcome:
            yield Difference("outcome", 0, (cause,), name=one.outcome)
    singles: dict[tuple[str, int], list[str]] = {}
    for cause, one in found:
        for place in one.singles:
            singles.setdefault(place, []).append(cause)
    for (kind, index), causes in sorted(singles.items()):
        yield Difference(kind, index, tuple(causes), name=places.single(kind, index))
    for kind in ("memory", "table"):
        for index in sorted({index for _, one in found for of, index in one.ranges if of == kind}):
            ranges = {cause: one.ranges[kind, index] for cause, one in found if (kind, index) in one.ranges}
            entries = table_entries(first.paused, index) if kind == "table" else []
            for start, end, on in by_cause(ranges):
                functions = places.functions(entries[start:end])
                name = places.memory(index, start, end) if kind == "memory" else functions
                yield Difference(kind, index, on, start, end - start, name)
