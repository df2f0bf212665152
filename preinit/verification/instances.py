"""The input after its initializer and the output, both as instances, and what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from ..binary.module import Module
from ..binary.sections import ExternKind, Mode
from ..binary.types import NUMERIC_SIZES
from ..engine.runtime import Deadline
from ..engine.validation import REFUSALS, check
from ..errors import (
    Discrepancy,
    InitializerFailed,
    Mismatch,
    PreinitError,
    TimeLimit,
    UnsupportedState,
    located,
)
from ..options import Options
from ..passes.capture import capture
from ..passes.late import Late
from ..passes.observer import Observer
from ..passes.parse.supported import check_supported
from ..passes.plan.entries import renamed
from ..passes.plan.job import Job
from ..passes.rewrite.planned import planned
from ..passes.run.guest import run_guest
from ..passes.run.paused import Paused
from ..passes.snapshot import Snapshot
from ..tuples import NamedTuple
from .behaviour import zero_dead_stack
from .frames import compare_frames
from .functions import added_functions
from .globals import added_globals
from .result import Compared
from .state import Comparison, State, observe
from .structure import exported

#: Differences that are looked for.
MOST_DIFFERENCES = 20


class Both(NamedTuple):
    """Two guests that were alike; their instances are closed.

    `constant`: exports of the output that do nothing -> what they return.
    """

    job: Job
    paused: Paused
    output_job: Job
    resumed: Paused
    comparison: Comparison
    constant: Mapping[str, tuple[bytes, ...]]
    compared: Compared


def raise_any(found: Iterable[Discrepancy]) -> None:
    """Raises `Mismatch` with the first differences, if there are any."""
    differences = tuple(islice(found, MOST_DIFFERENCES))
    if differences:
        raise Mismatch(differences)


@contextmanager
def of_output() -> Iterator[None]:
    """What is raised inside is about the output."""
    try:
        yield
    except PreinitError as problem:
        if not isinstance(problem, TimeLimit | Mismatch):
            located(problem, "the output")
        raise


def run_both(job: Job, output: Module, observer: Observer) -> Both:
    """Runs the initializer, starts the output, and compares what they hold. The instances are closed then.

    Raises `Mismatch`, and what running raises.
    """
    deadline = job.deadline
    with observer.stage("validate"):
        _valid(output, deadline)
    options = job.options
    fresh_options = _fresh(options, output)
    given = (job.preloads, job.preload_code, deadline)
    fresh = Job(output, (), fresh_options, *given, goes_on=job.goes_on, resumes=True)
    with of_output():
        check_supported(output, fresh_options)
    with run_guest(job, observer) as paused:
        snapshot = _captured(job, paused, observer)
        late = None
        if options.wants_late:
            from ..passes.late.bind import bind

            with observer.stage("late"):
                late = bind(job, paused, snapshot)
        with _start(fresh, observer) as resumed, observer.stage("compare"):
            return _compare(job, paused, snapshot, late, fresh, resumed)


def _captured(job: Job, paused: Paused, observer: Observer) -> Snapshot:
    with observer.stage("capture"):
        return job.deadline.start(lambda: capture(job, paused)).result()


def _valid(output: Module, deadline: Deadline) -> None:
    try:
        deadline.start(lambda: check(output.data)).result()
    except REFUSALS as problem:
        raise_any(
            [
                Discrepancy(
                    "validity", "the output", "a valid module", f"{problem.what} ({problem.where or 'somewhere'})"
                )
            ]
        )


def _fresh(options: Options, output: Module) -> Options:
    """The options with which an instance of the output is in the world that the input was in."""
    imported = {f"{entry.module}.{entry.name}" for entry in output.imports}
    return dataclasses.replace(
        options,
        init_funcs=(),
        rename_funcs=(),
        keep_init_func=False,
        scrub_stack=False,
        imports="keep" if options.imports == "define" else options.imports,
        late=(),
        pause_at=None,
        reopen=False,
        replay_output=False,
        import_globals=tuple(pair for pair in options.import_globals if pair[0] in imported),
    )


def _start(job: Job, observer: Observer) -> Paused:
    """The output, started, whose state could be captured as the input's was."""
    try:
        resumed = run_guest(job, observer)
        try:
            _captured(job, resumed, observer)
        except BaseException:
            resumed.close()
            raise
        return resumed
    except TimeLimit:
        raise
    except InitializerFailed as problem:
        what = problem.what.replace("the initializer ", "its start function ")
        raise Mismatch(
            (Discrepancy("start function", "a fresh instance of the output", "one that starts", what),)
        ) from problem
    except UnsupportedState as problem:  # the input held nothing of that kind
        place = "a fresh instance of the output" + (f", {problem.where}" if problem.where else "")
        kind, *_ = problem.what.split(maxsplit=1)
        raise Mismatch((Discrepancy(kind, place, "nothing like that", problem.what),)) from problem
    except PreinitError as problem:
        located(problem, "the output")
        raise


def _compare(job: Job, paused: Paused, snapshot: Snapshot, late: Late | None, fresh: Job, resumed: Paused) -> Both:
    module, output, deadline = job.module, fresh.module, job.deadline
    plan = planned(job, snapshot, paused, late)
    noops = plan.noops
    if late or job.pause:
        raise_any(exported(module, output, plan.exports))
    raise_any(added_globals(module, output, plan.globals.added))
    raise_any(added_functions(module, output, snapshot, job.owners, len(noops), plan.added))
    if job.pause:
        raise_any(compare_frames(module, output, plan, snapshot.frames))
    zero_dead_stack(job, paused)
    before = deadline.start(lambda: observe(module, paused)).result()
    after = deadline.start(lambda: observe(output, resumed)).result()
    comparison = Comparison(module, output)
    raise_any(deadline.start(lambda: list(islice(comparison.states(before, after), MOST_DIFFERENCES))).result())
    raise_any(comparison.sizes(before, job.owners))
    constant = _constant(job, paused, output, len(noops))
    if constant:
        raise_any(deadline.start(lambda: list(_idle(job, constant, resumed, output))).result())
        again = deadline.start(lambda: observe(output, resumed)).result()
        raise_any(
            found._replace(place=f"after the functions that do nothing: {found.place}")
            for found in comparison.states(before, again)
        )
    return Both(job, paused, fresh, resumed, comparison, constant, _compared(module, output, before))


def _constant(job: Job, paused: Paused, output: Module, noops: int) -> dict[str, tuple[bytes, ...]]:
    """The exports that do nothing, and what they return: what the last run returned, null for a reference."""
    sources = renamed(job.module, job.options)
    returned = {call.name: tuple(raw) for call, raw in zip(job.calls, paused.returned, strict=False)}
    first = len(job.module.function_types)
    added = [e.name for e in output.exports if e.kind == ExternKind.FUNC and first <= e.target < first + noops]
    return {name: returned[sources.get(name, name)] for name in added}


def _idle(
    job: Job, constant: Mapping[str, tuple[bytes, ...]], resumed: Paused, output: Module
) -> Iterator[Discrepancy]:
    """Exports that should do nothing, and have another type or return something else."""
    sources = renamed(job.module, job.options)
    for name, returned in constant.items():
        before, after = job.module.exported(sources.get(name, name)), output.exported(name)
        assert before and after
        wanted, found = job.module.function_types[before.target], output.function_types[after.target]
        if wanted != found:
            yield Discrepancy("export", f"type of export '{name}'", f"type {wanted}", f"type {found}")
            continue
        signature = output.function_type(after.target)
        assert signature
        nothing = [bytes(16)] * len(signature.params)
        try:
            raw = resumed.instance.call(name, nothing, len(signature.results))
        except PreinitError as problem:
            yield Discrepancy("call", f"call {name}", "returns", problem.what)
            continue
        for number, (value_type, a, b) in enumerate(zip(signature.results, returned, raw, strict=True)):
            size = NUMERIC_SIZES.get(value_type, 0)
            x, y = (a[:size], b[:size]) if size else (bytes(8), b[:8])
            if x != y:
                yield Discrepancy("call", f"result {number} of call {name}", x.hex(" "), y.hex(" "))


def _compared(module: Module, output: Module, state: State) -> Compared:
    segments = sum(segment.mode is Mode.PASSIVE and segment.end > segment.start for segment in module.data_segments)
    segments += sum(segment.mode is Mode.PASSIVE and segment.length > 0 for segment in module.elements)
    return Compared(
        tuple(len(memory.content) for memory in state.memories),
        tuple(len(entries) for entries in state.tables.values()),
        len(module.globals),
        segments,
        len(output.exports),
        len(output.imports),
        len(module.bodies),
        len(module.code_entries()[1]),
        sum(section.id == 0 for section in module.sections),
    )
