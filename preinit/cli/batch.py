"""`preinit batch`."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import PreinitError, UsageError, as_error, counted, printable
from ..files.outputs import check_outputs, write_output
from .completed import File
from .failure import explained, leave, say, style
from .given import settings_of
from .manual import messages, under
from .options import build_options, verdict_options
from .wizer import Command

if TYPE_CHECKING:
    from ..batch import Batch, JobResult, Summary
    from ..batch.run import Status

#: Failures that are shown one by one; the report has them all.
_FEW = 20


@click.command(
    name="batch",
    cls=Command,
    examples=(
        "preinit batch jobs.toml --resume --report report.json",
        "preinit batch scripts/ -i engine.wasm -o out -f initialize-runtime -f 'compile-src(@{})?'",
        "preinit batch pages/ -i app.wasm -o out --stdin-from --pattern '*.html' --jobs 4",
        "preinit batch jobs.toml --scheduler tcp://10.0.0.1:8786",
    ),
)
@click.argument("source", metavar="FILE|DIR")
@click.option("-o", "--output-dir", metavar="DIR", help="Where outputs go.  [default: as in the job file]")
@click.option("-i", "--input", "module", metavar="IN", help="The module.  [default: as in the job file]")
@click.option("--resume", is_flag=True, help="Leave outputs alone that are up to date.")
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Processes.  [default: one a core]")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster (pip install preinit[cluster]).")
@click.option("--stdin-from", is_flag=True, help="Of a folder: each file is its job's standard input.")
@click.option("--pattern", metavar="GLOB", help="Of a folder: which files.  [default: *]")
@build_options
@under(
    "Checks, budgets and reports",
    verdict_options,
    click.option(
        "--verify",
        is_flag=True,
        help="Run each job again, compare with an instance of its output; the job fails if they differ.",
    ),
    click.option("--report", type=File(), metavar="FILE", help="Write what became of each job as JSON."),
    click.option("--html", type=File(), metavar="FILE", help="Write a page about what became of each job."),
)
@messages
def command(
    source: str,
    output_dir: str | None,
    module: str | None,
    resume: bool,
    jobs: int | None,
    scheduler: str | None,
    stdin_from: bool,
    pattern: str | None,
    verify: bool,
    report: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Make many snapshots of one module: one for each job in FILE, or one for each file of DIR.

    Jobs that fail do not stop the others; the exit code is 1 then, and `--resume` does what is left. Each output is
    written in one step when its job is done. Options hold for all jobs, where a job says nothing else.

    For a folder, `{}` in `-f NAME(@{})` is the job's file, and its name in other options. A job file is TOML, or JSON
    lines (the first line has what stands before [[job]]), with the keys that targets of a config file have:

    \b
      input = "engine.wasm"          # paths are relative to the job file
      output-dir = "out"
      [defaults]                     # what all jobs have in common
      init-funcs = ["initialize-runtime"]
      [[job]]
      output = "hello.wasm"
      init-funcs = ["initialize-runtime", "compile-src(@hello.js)?"]
      stdin = "hello.txt"
      env = { LANG = "C" }
    """
    with explained(debug) as progress:
        if scheduler is not None and jobs is not None:
            raise UsageError("a cluster has as many processes as it has", hint="Leave out `--jobs` or `--scheduler`.")
        check_outputs({"FILE": source, "--input": module}, {"--report": report, "--html": html})
        settings = settings_of(given)
        if verify:
            settings["verify"] = True
        from ..batch import run
        from ..batch.executors import Cluster, Crew
        from ..batch.processes import Processes
        from ..batch.work import Order
        from ..errors import JobsFailed

        batch = _batch(source, output_dir, module, settings, pattern, stdin_from)
        shown = _Line(len(batch.jobs), quiet, verbose)

        def hire(order: Order) -> Crew:
            if scheduler is not None:
                if not debug:
                    logging.disable()  # what Dask says of what goes wrong is said in one place, by us
                return Cluster(order, scheduler)
            return Processes(order, min(jobs or _cores(), len(batch.jobs)))

        try:
            summary = run(batch, hire, resume=resume, note=shown.note)
        except KeyboardInterrupt as caught:
            raise shown.interrupted(as_error(caught)) from None
        finally:
            shown.clear()
        if report:
            write_output(report, _report(summary).encode(), "--report")
        if html:
            write_output(html, _page(summary, source).encode(), "--html")
        if not quiet:
            for line in _table(summary):
                say(printable(line))
        failed = summary.count("failed")
        progress.report = None
        if failed:
            raise JobsFailed(f"{failed:,} of {len(summary.results):,} jobs failed")
    leave(0)


def _batch(
    source: str,
    output: str | None,
    module: str | None,
    settings: dict[str, Any],
    pattern: str | None,
    stdin_from: bool,
) -> Batch:
    from ..batch import read_folder, read_jobs

    path = Path(source)
    target = None if output is None else Path(output)
    if not path.is_dir():
        for option, given in (("--stdin-from", stdin_from), ("--pattern", pattern is not None)):
            if given:
                raise UsageError(
                    f"`{option}` is for a folder of files, and {source!r} is none",
                    hint="Name a folder, or leave it out.",
                )
        return read_jobs(path, target, None if module is None else Path(module), settings)
    if module is None or target is None:
        missing = "-i IN" if module is None else "-o DIR"
        raise UsageError(f"a folder does not say everything: `{missing}` is missing", hint=f"Give it: {missing}.")
    return read_folder(path, Path(module), target, settings, pattern or "*", stdin_from)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Line:
    """On a terminal, a line that says how far it is; failures are said as they come."""

    def __init__(self, jobs: int, quiet: bool, verbose: bool) -> None:
        self._jobs = jobs
        self._says_all = verbose and not quiet
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._counts = {"built": 0, "current": 0, "failed": 0}
        self._started = self._last = time.monotonic()

    def note(self, result: JobResult) -> None:
        self._counts[result.status] += 1
        if result.error is not None:
            if self._counts["failed"] <= _FEW:
                self.clear()
                say(f"{style('failed', 'red')} {printable(result.name)}: {_said(result.error)}")
        elif self._says_all:
            self.clear()
            size = f", {result.size:,} bytes" if result.size else ""
            say(f"{_WORDS[result.status]} {printable(result.name)}{size}")
        if self._shown and time.monotonic() - self._last >= 0.2:
            self._last = time.monotonic()
            rate = self._counts["built"] / (self._last - self._started)
            done = sum(self._counts.values())
            sys.stderr.write(f"\r\033[K{done:,} of {self._jobs:,} jobs, {rate:.1f} jobs per second")
            sys.stderr.flush()

    def interrupted(self, problem: PreinitError) -> PreinitError:
        """The error of an interrupt: it says what is known to have been written before."""
        built = self._counts["built"]
        ended = problem.what.partition(";")[0]
        if built:
            were = "was" if built == 1 else "were"
            problem.what = f"{ended}; {built:,} of {counted(self._jobs, 'output')} {were} written before"
        else:  # an output may be there whose process had not said so yet
            problem.what = f"{ended}; no output is known to have been written before"
        problem.hint = "Do the rest with `--resume`."
        return problem

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _said(error: Mapping[str, Any]) -> str:
    where = f"\n  where: {error['where']}" if error["where"] else ""
    hint = f"\n  what to do: {error['hint']}" if error["hint"] else ""
    return "\n".join(map(printable, f"[{error['code']}] {error['what']}{where}{hint}".split("\n")))


def _table(summary: Summary) -> list[str]:
    """How many jobs ended how."""
    size = sum(result.size for result in summary.results)
    rows = [(word, summary.count(status)) for status, word in _WORDS.items()]
    lines = [f"{word:<10} {count:>9,}" for word, count in rows if count]
    codes: dict[str, int] = {}
    for result in summary.results:
        for code in [*dict.fromkeys(result.warnings), *([result.error["code"]] if result.error else [])]:
            codes[code] = codes.get(code, 0) + 1
    lines += [f"  {code}: {counted(count, 'job')}" for code, count in sorted(codes.items())]
    built = summary.count("built")
    rate = f", {built / summary.seconds:.1f} jobs per second" if built else ""
    return [*lines, f"{size:,} bytes written, {summary.seconds:.2f} s{rate}"]


#: What became of jobs, in words.
_WORDS: dict[Status, str] = {"built": "built", "current": "up to date", "failed": "failed", "left": "not begun"}


def _page(summary: Summary, source: str) -> str:
    from ..report.batch_page import Row, batch_page

    rows = [
        Row(
            result.name,
            _WORDS[result.status],
            result.size,
            f"[{result.error['code']}] {result.error['what']}" if result.error else ", ".join(result.warnings),
        )
        for result in summary.results
    ]
    return batch_page(rows, summary.seconds, Path(source).name)


def _report(summary: Summary) -> str:
    import dataclasses

    from ..result import REPORT_VERSION
    from ..version import VERSION

    facts = {"version": REPORT_VERSION, "preinit": VERSION, "seconds": summary.seconds}
    jobs = [dataclasses.asdict(result) for result in summary.results]
    return json.dumps({**facts, "jobs": jobs}, indent=2) + "\n"
