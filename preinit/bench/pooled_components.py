"""Many copies of a component, out of a pool of the engine's own runtime for components."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ..binary import encoder as write
from ..binary.component.reader import CORE_INSTANCE, CORE_MODULE
from ..binary.module import SectionId
from ..engine.copies.pool import CopyNeeds, pool_for
from ..engine.runtime import Deadline
from ..options import Options
from ..passes.observer import Observer
from ..records import replaced
from .component import ComponentCopies, ComponentSubject, component_engine, component_subject
from .memory import usage
from .model import Many, ManyCopies
from .subject import about, hermetic

#: Rounds in which the components take turns.
_ROUNDS = 5
#: Copies that are called, and copies that are kept at the same time: calls may take memory and time.
_MOST_CALLED, _MOST_KEPT = 20, 64
#: Of one memory of a copy, in bytes: what a 32-bit memory can have.
_MOST_MEMORY = 4 << 30


def measure_component_copies(
    original: bytes, output: bytes, options: Options, copies: int, calls: Sequence[str], observer: Observer
) -> ManyCopies:
    """See `pooled.measure_copies`. What a copy prints goes nowhere: it has answered when its calls have returned."""
    options = hermetic(options)
    deadline = Deadline(options.timeout, grace=not options.process_ends, what="the measurement")
    return deadline.start(lambda: _measure(original, output, options, copies, calls, observer, deadline)).result()


def _measure(
    original: bytes,
    output: bytes,
    options: Options,
    copies: int,
    calls: Sequence[str],
    observer: Observer,
    deadline: Deadline,
) -> ManyCopies:
    given: list[ComponentSubject] = []
    with observer.stage("reading the components"):
        for name, data, init_funcs in (("output", output, ()), ("original", original, options.init_funcs)):
            with about(name):
                told = replaced(options, init_funcs=init_funcs)
                given.append(component_subject(name, data, told, calls, deadline))
        given.append(_empty(given[0]))
    needs = CopyNeeds(*(max(one.needs[place] for one in given) for place in range(len(CopyNeeds._fields))))
    shared = any(memory.shared for one in given for memory in one.memories)
    pool = None if shared else pool_for(needs, _MOST_KEPT, min(options.max_memory, _MOST_MEMORY))
    engine, _ = component_engine(options, deadline, pool)
    with observer.stage("compiling the components"):
        copied = [ComponentCopies(engine, one, options.host, deadline) for one in given]
    seconds: list[list[float]] = [[] for _ in given]
    with observer.stage("starting copies"):
        for one in copied:
            one.start(False)[1]()  # the first one makes the image
        for _ in range(min(_ROUNDS, copies)):
            for one, spent in zip(copied, seconds, strict=True):
                spent.append(_spend(one, max(1, copies // _ROUNDS)))
    with observer.stage("waiting for answers"):
        facts = [
            Many(
                subject.name,
                len(subject.data),
                1 / statistics.median(spent),
                _answer(one) if calls and subject.calls else None,
                _memory(one, False),
                _memory(one, True) if calls and subject.calls else None,
                pool is not None,
            )
            for subject, one, spent in zip(given, copied, seconds, strict=True)
        ]
    return ManyCopies(copies, *facts)


def _spend(copied: ComponentCopies, number: int) -> float:
    """Seconds, on average, of starting and freeing a copy; what gives it its imports is not counted."""
    spent = 0.0
    for _ in range(number):
        took, free = copied.start(False)
        spent += took + free()
    return spent / number


def _answer(copied: ComponentCopies) -> float:
    """Seconds up to the end of a fresh copy's calls."""
    found = []
    for _ in range(_MOST_CALLED):
        took, free = copied.start()
        free()
        found.append(took)
    return statistics.median(found)


def _memory(copied: ComponentCopies, called: bool) -> int | None:
    """Bytes that one more copy takes."""
    number = _MOST_CALLED if called else _MOST_KEPT
    with ExitStack() as kept:
        before = usage()
        for _ in range(number):
            free: Callable[[], float] = copied.start(called)[1]
            kept.callback(free)
        after = usage()
    return None if before is None or after is None else max(0, after.proportional - before.proportional) // number


def _empty(like: ComponentSubject) -> ComponentSubject:
    """A component with memories as large as `like`'s instances have, and as long; nothing else."""
    limits = [write.limits(memory) for memory in like.memories]
    module = write.assemble([write.section(SectionId.MEMORY, write.vector(limits))] if limits else [])
    parts = [
        write.COMPONENT_PREAMBLE,
        *write.section(CORE_MODULE, module),
        *write.section(CORE_INSTANCE, write.vector([b"\0\0\0"])),
    ]
    rest = len(like.data) - sum(map(len, parts))
    data = b"".join([*parts, *write.custom_section("filling", bytes(max(0, rest - 16)))])
    needs = like.needs._replace(instances=1, tables=0, elements=0)
    return ComponentSubject("empty", data, (), (), needs, like.memories)
