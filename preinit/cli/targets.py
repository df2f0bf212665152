"""Building the targets of a config file: in their order, as many at once as there are cores, only what changed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..config import (
    Config,
    Target,
    change,
    depfile,
    fingerprint,
    nearest,
    options_of,
    order,
    shown,
    state_file,
    with_needed,
)
from ..errors import Interrupted, UsageError, printable, quoted
from ..stopwatch import Stopwatch
from .failure import problem_of, say, say_error, say_warning
from .output import STANDARD_OUTPUT, check_writable, same_file, write_output
from .progress import shown as progress_shown
from .worker import Job, report_failure
from .workers import Workers


@dataclass(frozen=True)
class Wanted:
    """What the command line says about the targets, see choice.py."""

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


def build_targets(config: Config, names: Sequence[str], wanted: Wanted) -> int:
    """Builds targets, all if none is named, and says what became of each. The exit code: 1 if one of them failed.

    Raises `UsageError` before anything is built, `OutputNotWritable` for the dependency file, `Interrupted`.
    """
    for name in names:
        if name not in config.targets:
            raise UsageError(
                f"there is no target {quoted(name)} in {shown(config.path)}", hint=nearest(name, config.targets)
            )
    if wanted.check and (wanted.force or wanted.depfile is not None):
        raise UsageError("`--check` writes nothing", hint="Leave out `--force` and `--depfile`.")
    if wanted.depfile is not None:
        if not wanted.depfile:
            raise UsageError("the file name of `--depfile` is empty")
        _check_depfile(wanted.depfile, config)
    after = order(config.targets)
    asked = list(names) or list(config.targets)
    chosen = {name: set[str]() for name in asked} if wanted.check else with_needed(asked, after)
    started = time.perf_counter()
    workers = Workers()
    outcomes: dict[str, Outcome] = {}
    watch = Stopwatch()
    try:
        with progress_shown(watch, wanted.quiet, wanted.verbose):
            for outcome in _outcomes(config.targets, chosen, wanted, workers, watch):
                outcomes[outcome.name] = outcome
                _say(outcome, wanted.quiet)
    except KeyboardInterrupt:
        workers.stop()
        built = sum(outcome.word == BUILT for outcome in outcomes.values())
        raise Interrupted(
            f"interrupted; {_counted(built)} built before" if built else "interrupted; nothing was written"
        ) from None
    except BaseException:
        workers.stop()
        raise
    if not wanted.quiet and len(outcomes) > 1:
        counts = {word: sum(o.word == word for o in outcomes.values()) for word in (BUILT, UP_TO_DATE, CHECKED, FAILED)}
        listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        say(f"{_counted(len(outcomes))}: {listed}; {time.perf_counter() - started:.2f} s")
    kept = [config.targets[name] for name in TopologicalSorter(chosen).static_order() if outcomes[name].word != FAILED]
    if wanted.depfile is not None and kept:
        write_output(wanted.depfile, depfile(kept, Path.cwd()).encode("utf-8", "surrogateescape"), "--depfile")
    return int(any(outcome.word == FAILED for outcome in outcomes.values()))


def _check_depfile(name: str, config: Config) -> None:
    """Refuses a dependency file that would overwrite what targets read or write."""
    used = [config.path]
    for target in config.targets.values():
        used += [*target.reads, *target.writes, state_file(target.output)]
    for path in used:
        if name != STANDARD_OUTPUT and same_file(name, os.fspath(path)):
            raise UsageError(f"`--depfile` would overwrite {shown(path)!r}", hint="Name another file.")
    check_writable(name, "--depfile")


def _counted(number: int) -> str:
    return f"{number} target{'s' if number != 1 else ''}"


def _outcomes(
    targets: Mapping[str, Target],
    after: Mapping[str, set[str]],
    wanted: Wanted,
    workers: Workers,
    watch: Stopwatch,
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
        watch.stage = f"building {', '.join(running)}"
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
        problem = problem_of(caught)
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
            found = found or "forced"
        elif options.host.writable:
            found = found or "its guest may write files"
        if found is None:
            return Outcome(target.name, UP_TO_DATE, f"{target.output.stat().st_size:,} bytes")
        why = f" ({found})"
    outcome, printed = workers.run(Job(target, options, now))
    if "error" in outcome:
        return Outcome(target.name, FAILED, "", printed, error=(outcome["error"]["code"], outcome["error"]["text"]))
    before, after = outcome["sizes"]
    if wanted.check:
        return Outcome(target.name, CHECKED, f"{after:,} bytes", printed)
    verified = " verified," if target.verify is not None else ""
    more = f"{before:,} bytes in, {after:,} bytes out,{verified} {outcome['seconds']:.2f} s{why}"
    return Outcome(target.name, BUILT, more, printed, [tuple(warning) for warning in outcome["warnings"]])


def _say(outcome: Outcome, quiet: bool) -> None:
    """A line about the target; what its guest printed; warnings, or the error."""
    stream = sys.stderr
    if not quiet or outcome.word == FAILED:
        say(f"{outcome.name}: {outcome.word}" + (f", {printable(outcome.more)}" if outcome.more else ""))
    if outcome.printed and stream is not None:
        stream.flush()
        stream.buffer.write(outcome.printed)
        stream.flush()
    for warning in () if quiet else outcome.warnings:
        say_warning(*warning)
    if outcome.error:
        say_error(*outcome.error)
