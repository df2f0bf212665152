"""Building targets: in their order, as many at once as there are cores, only what changed, each in a process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import Any

from ..errors import Crashed, as_error, quoted
from ..errors.reason import Reason
from ..passes.observer import Observer
from .inputs import fingerprint
from .state import change
from .target import Target, options_of
from .worker import Job, report_failure
from .workers import Workers


@dataclass(frozen=True)
class Wanted:
    """What the command line says about all targets."""

    jobs: int | None = None
    force: bool = False
    check: bool = False
    depfile: str | None = None
    strict: bool = False
    cache: bool = True
    quiet: bool = False
    verbose: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a target: `word`, `more` about it; the code and text of its error, or its warnings."""

    name: str
    word: str
    more: str = ""
    printed: bytes = b""
    warnings: Sequence[tuple[str, str, str]] = ()
    error: tuple[str, str] | None = None
    seconds: float = field(default=0, compare=False)


BUILT, UP_TO_DATE, CHECKED, FAILED = "built", "up to date", "checked", "failed"


def outcomes_of(
    targets: Mapping[str, Target],
    after: Mapping[str, set[str]],
    wanted: Wanted,
    workers: Workers,
    observer: Observer,
) -> Iterator[Outcome]:
    """What becomes of each target, as soon as it is known; each starts when those before it are done."""
    sorter = TopologicalSorter(after)
    sorter.prepare()
    jobs = wanted.jobs or _cores()
    done: SimpleQueue[Outcome] = SimpleQueue()
    waiting: list[str] = []
    running: list[str] = []
    failed: set[str] = set()
    while sorter.is_active():
        waiting += sorter.get_ready()
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            running.append(name)
            if before := sorted(after[name] & failed):
                done.put(Outcome(name, FAILED, f"not built: it needs {quoted(before[0])}"))
            else:
                work = threading.Thread(target=_work, args=(targets[name], wanted, workers, done), daemon=True)
                work.start()
        observer.now = f"building {', '.join(running)}"
        outcome = done.get()
        running.remove(outcome.name)
        if outcome.word == FAILED:
            failed.add(outcome.name)
        sorter.done(outcome.name)
        yield outcome


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(target: Target, wanted: Wanted, workers: Workers, done: SimpleQueue[Outcome]) -> None:
    try:
        outcome = _outcome(target, wanted, workers)
    except BaseException as caught:
        problem = as_error(caught)
        report_failure(target, problem, write=not wanted.check)
        outcome = Outcome(target.name, FAILED, error=(problem.code, str(problem)))
    done.put(outcome)


def _outcome(target: Target, wanted: Wanted, workers: Workers) -> Outcome:
    overrides: dict[str, Any] = {"strict": True} if wanted.strict else {}
    if not wanted.cache:
        overrides["cache"] = False
    options = options_of(target, os.environ, **overrides)
    now, why = None, ""
    if not wanted.check:
        now = fingerprint(target, options)
        files = dict(zip(("output", "report"), target.writes, strict=False))
        found = change(target.output, now, files)
        if wanted.force:
            found = found or Reason("forced", "forced")
        elif options.host.writable:
            found = found or Reason("writes-files", "its guest may write files")
        if found is None:
            return Outcome(target.name, UP_TO_DATE, f"{target.output.stat().st_size:,} bytes")
        why = f" ({found})"
    job = Job(target, options, now)
    try:
        outcome, printed = workers.run(job)
    except Crashed as problem:
        if not options.cache or not problem.faulted:
            raise
        outcome, printed = workers.run(job)  # code of the cache that was running then is compiled anew
        why = f"; the process that built it died, and it was built again{why}"
    if "error" in outcome:
        return Outcome(target.name, FAILED, "", printed, error=(outcome["error"]["code"], outcome["error"]["text"]))
    before, after = outcome["sizes"]
    if wanted.check:
        return Outcome(target.name, CHECKED, f"{after:,} bytes", printed)
    verified = " verified," if target.verify is not None else ""
    more = f"{before:,} bytes in, {after:,} bytes out,{verified} {outcome['seconds']:.2f} s{why}"
    return Outcome(target.name, BUILT, more, printed, [tuple(warning) for warning in outcome["warnings"]])
