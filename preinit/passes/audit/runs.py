"""Running the initializer again: once with other entropy, once with another clock, once with another environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...errors import MemoryLimit, PreinitError, TimeLimit, UsageError
from ...host import Clock
from ...options import Host
from ...result import Difference
from ...symbols.places import Places
from ...symbols.stack import Stack
from ..rewrite.scrub import scrub
from ..run.runner import Job, Paused, run_again
from .compare import Found, compare, table_entries
from .ranges import by_cause

#: So far ahead that every byte of the time is another one, and a step unlike the usual one.
_OTHER_CLOCK = Clock(ahead=0x1765_4321_89AB_CDEF, step=1_234_567)
_EXTRA_VARIABLE = ("PREINIT_AUDIT", "another environment")


def _worlds(host: Host) -> Iterator[tuple[str, Host, Clock]]:
    """What differs, and a world that differs from `host` in nothing else.

    Of the environment, the variables that were given keep their values: they are part of the build's options. The
    host's own clocks and random numbers are others in every run: then places say more causes than they have.
    """
    host = replace(host, quiet=True)  # the guest can't tell, and what it prints was printed
    if host.random != "deny":
        yield "entropy", replace(host, seed=~host.seed) if host.random == "seed" else host, Clock()
    yield "clock", host, _OTHER_CLOCK
    yield "environment", replace(host, env=(_EXTRA_VARIABLE, *reversed(host.env))), Clock()


def audit(job: Job, first: Paused, stack: Stack | None) -> tuple[Difference, ...]:
    """What the initializer leaves in other worlds, and did not in the `first` run. Nothing means: no such place.

    `stack`: the one whose dead part was zeroed in the first run. Raises `TimeLimit`.
    """
    found = [(cause, _differences(job, first, stack, host, clock)) for cause, host, clock in _worlds(job.options.host)]
    return tuple(_merged(job, first, found))


def _differences(job: Job, first: Paused, stack: Stack | None, host: Host, clock: Clock) -> Found:
    try:
        other = run_again(job, first, host, clock)
    except (TimeLimit, UsageError):
        raise
    except PreinitError as problem:
        if type(problem) is MemoryLimit:  # the machine has no room for two: that says nothing about the guest
            raise
        return Found(outcome=problem.code)
    try:
        if stack:
            scrub(job.module, stack, other.snapshot, job.options.layout)
        return compare(job.module, first, other)
    except PreinitError as problem:
        return Found(outcome=problem.code)
    finally:
        other.world.close()
        other = other._replace(snapshot=first.snapshot)  # no view may outlive the instance
        other.instance.close()


def _merged(job: Job, first: Paused, found: Sequence[tuple[str, Found]]) -> Iterator[Difference]:
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
            entries = table_entries(first, index) if kind == "table" else []
            for start, end, on in by_cause(ranges):
                functions = places.functions(entries[start:end])
                name = places.memory(index, start, end) if kind == "memory" else functions
                yield Difference(kind, index, on, start, end - start, name)
