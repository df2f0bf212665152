"""Targets of a config file, on the command line: they are built, and what became of each is said."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from ..errors import UsageError, as_error, counted, printable, quoted
from ..files.outputs import STANDARD_OUTPUT, check_writable, same_file, write_output
from ..files.toml import shown
from ..options.tables import nearest
from ..passes.observer import Observer
from ..targets import Config, depfile, order, state_file, with_needed
from ..targets.run import BUILT, CHECKED, FAILED, UP_TO_DATE, Outcome, Wanted, outcomes_of
from ..targets.workers import Workers
from .failure import say, say_error, say_warning
from .progress import shown as progress_shown


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
    observer = Observer()
    try:
        with progress_shown(observer, wanted.quiet, wanted.verbose):
            for outcome in outcomes_of(config.targets, chosen, wanted, workers, observer):
                outcomes[outcome.name] = outcome
                _say(outcome, wanted.quiet)
    except KeyboardInterrupt as caught:
        workers.stop()
        problem = as_error(caught)
        if workers.built:
            problem.what = f"{problem.what.partition(';')[0]}; {counted(workers.built, 'target')} built before"
        raise problem from None
    except BaseException:
        workers.stop()
        raise
    if not wanted.quiet and len(outcomes) > 1:
        counts = {word: sum(o.word == word for o in outcomes.values()) for word in (BUILT, UP_TO_DATE, CHECKED, FAILED)}
        listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        say(f"{counted(len(outcomes), 'target')}: {listed}; {time.perf_counter() - started:.2f} s")
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
