"""Doing a batch: jobs are handed out, outputs come back as bytes and are written here, each at once and whole."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import OutputNotWritable, PreinitError, WorkerLost, counted, in_words, way_out
from ..files.replace import replace_file
from ..options import Options
from ..options.fields import changed
from ..passes.parse.source import binary
from .executors import Crew, Hire
from .jobs import Batch, Job
from .processes import Died
from .record import Keys, Record
from .work import Order, Outcome, Request, describe, identity

#: Jobs that are handed out for each that is done at a time: nobody waits, and few inputs are held in memory.
_AHEAD = 2

#: How often a job is handed out, if the worker that does it dies.
_MOST_ATTEMPTS = 3
#: Seconds between two looks at a crew that has nothing to say.
_INTERVAL = 5.0
#: How often each worker is replaced that died, before any of them did a job.
_MOST_RENEWALS = 5

Status = Literal["built", "current", "failed", "left"]


@dataclass(frozen=True)
class JobResult:
    """What became of a job: "built", "current" (it was up to date), "failed", or "left" (nobody came to it).

    `size`, `sha256`: of the output. `error`: as in the report of a failed build. `attempts`: how often it was begun.
    """

    name: str
    output: str
    status: Status
    size: int = 0
    sha256: str | None = None
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
    attempts: int = 0


@dataclass(frozen=True)
class Summary:
    """The results of all jobs, in the order of the job file; seconds that it all took."""

    results: tuple[JobResult, ...]
    seconds: float

    def count(self, status: Status) -> int:
        return sum(result.status == status for result in self.results)


def run(
    batch: Batch,
    hire: Hire,
    *,
    resume: bool = False,
    note: Callable[[JobResult], object] = lambda _: None,
) -> Summary:
    """Does all jobs that can be done, and says of each what became of it.

    Parameters
    ----------
    hire: makes who does them, see `executors`.
    resume: leave outputs alone that are up to date.
    note: told each result as it comes.

    Raises a `PreinitError` where nothing can be done: the module can't be read, the cluster can't be used. Interrupted,
    it ends who does the jobs; what was written until then is whole.
    """
    started = time.monotonic()
    wasm = binary(batch.module, waits=False)
    order = Order(identity(), hashlib.sha256(repr((batch.options,)).encode() + wasm).hexdigest(), wasm, batch.options)
    try:
        batch.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputNotWritable(
            f"the folder {str(batch.folder)!r} can't be made: {in_words(problem)}",
            hint=way_out(problem, "Name another one with `-o`."),
        ) from problem
    record = Record(batch.folder)
    record.read()
    course = _Course(batch, Keys(order.preinit, wasm), record, resume, note)
    course.take_stock()
    if course.waiting:
        crew = hire(order)
        finished = False
        try:
            course.do(crew)
            finished = True
        finally:
            crew.close(now=not finished)
    with suppress(OSError):  # else the next run builds more than it had to
        record.tidy(job.output for job in batch.jobs)
    return Summary(tuple(course.results), time.monotonic() - started)


@dataclass(frozen=True)
class _Task:
    """A job that is to be done: its place in the batch, and how often it was begun."""

    place: int
    attempts: int = 0


class _Course:
    """How far a batch is."""

    def __init__(
        self, batch: Batch, keys: Keys, record: Record, resume: bool, note: Callable[[JobResult], object]
    ) -> None:
        self._jobs: Sequence[Job] = batch.jobs
        self._options: Options = batch.options
        self._keys = keys
        self._record = record
        self._resume = resume
        self._note = note
        self._renewed = 0  # times in a row, without a result
        self.waiting: deque[_Task] = deque()
        self.results = [JobResult(job.name, str(job.output), "left") for job in batch.jobs]

    def take_stock(self) -> None:
        """Finds out what is to be done."""
        for place, job in enumerate(self._jobs):
            if self._resume:
                try:
                    key = self._key(job, job.changes())
                except PreinitError:
                    key = None  # it is said when the job is done
                if self._record.is_current(job.output, key) and (job.report is None or job.report.is_file()):
                    self._settle(place, replace(self.results[place], status="current"))
                    continue
            self.waiting.append(_Task(place))

    def _key(self, job: Job, changes: dict[str, Any]) -> str | None:
        return self._keys.of(changed(self._options, changes), job.verify)

    def do(self, crew: Crew) -> None:
        """Hands out what is waiting, until nothing is left."""
        out: dict[Future[Outcome], tuple[_Task, str | None]] = {}
        while self.waiting or out:
            while self.waiting and len(out) < crew.size * _AHEAD:
                task = self.waiting.popleft()
                try:
                    job = self._jobs[task.place]
                    changes = job.changes()
                    key = self._key(job, changes)
                    request = Request(changes, job.verify, job.report is not None)
                    out[crew.submit(request)] = replace(task, attempts=task.attempts + 1), key
                except PreinitError as problem:
                    self._failed(task, describe(problem))
                except crew.lost:
                    self.waiting.appendleft(task)
                    break
            if not out:
                if self.waiting:
                    self._renew(crew, crew.size)
                continue
            done, _ = wait(out, timeout=_INTERVAL, return_when=FIRST_COMPLETED)
            if not done:
                crew.check()
            lost = [future for future in done if not self._take(future, *out.pop(future), crew)]
            if lost:
                self._renew(crew, len(lost))

    def _take(self, future: Future[Outcome], task: _Task, key: str | None, crew: Crew) -> bool:
        """Takes a result; False where there is none, since the worker died."""
        try:
            outcome = future.result()
        except crew.lost as problem:
            self._lost(task, str(problem) if isinstance(problem, Died) else "")
            return False
        except PreinitError as problem:
            self._failed(task, describe(problem))
            return True
        self._renewed = 0
        if outcome.error:
            self._failed(task, outcome.error)
        else:
            self._built(task, key, outcome)
        return True

    def _lost(self, task: _Task, how: str) -> None:
        if task.attempts < _MOST_ATTEMPTS:
            self.waiting.append(task)
        else:
            said = f"the process that did this job died, in each of {counted(task.attempts, 'attempt')}"
            problem = WorkerLost(said + (f" ({how})" if how else ""))
            self._failed(task, describe(problem))

    def _renew(self, crew: Crew, lost: int) -> None:
        """Replaces workers that died; gives up where they do nothing else."""
        self._renewed += lost
        if self._renewed <= _MOST_RENEWALS * crew.size:
            crew.renew()
            return
        problem = describe(WorkerLost("the processes that do the jobs die before they have done any"))
        while self.waiting:
            self._failed(self.waiting.popleft(), problem)

    def _built(self, task: _Task, key: str | None, outcome: Outcome) -> None:
        job = self._jobs[task.place]
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            self._record.note(job.output, key, outcome.wasm)
            if job.report is not None:
                job.report.parent.mkdir(parents=True, exist_ok=True)
                replace_file(job.report, outcome.report)
            replace_file(job.output, outcome.wasm)
        except OSError as problem:
            error = OutputNotWritable(
                f"the output {str(job.output)!r} can't be written: {in_words(problem)}",
                hint=way_out(problem, "Make its folder writable."),
            )
            self._failed(task, describe(error))
            return
        digest = hashlib.sha256(outcome.wasm).hexdigest()
        result = replace(self.results[task.place], status="built", size=len(outcome.wasm), sha256=digest)
        self._settle(task.place, replace(result, warnings=outcome.warnings, attempts=task.attempts))

    def _failed(self, task: _Task, error: dict[str, Any]) -> None:
        result = self.results[task.place]
        self._settle(task.place, replace(result, status="failed", error=error, attempts=task.attempts))

    def _settle(self, place: int, result: JobResult) -> None:
        self.results[place] = result
        self._note(result)
