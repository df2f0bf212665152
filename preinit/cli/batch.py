"""`preinit batch`."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError, printable
from ..files.outputs import check_writable, write_output
from ..options import COMPILERS, ENGINES, LAYOUTS
from .arguments import Size, folder, renaming, variable
from .failure import explained, leave, say, style
from .help import Command, under

#: Failures that are shown one by one; the report has them all.
_FEW = 20
#: Options that a job file has words of its own for, by their names here.
_OF_FOLDERS = (
    "init_func", "rename_func", "dirs", "env", "args", "stdin_from", "pattern", "layout", "engine", "compiler",
    "timeout", "max_memory", "strict",
)  # fmt: skip


@click.command(
    name="batch",
    cls=Command,
    examples=(
        "preinit batch jobs.toml",
        "preinit batch jobs.jsonl --resume --report report.json",
        "preinit batch scripts/ -m engine.wasm -o out -f initialize-runtime -f 'compile-src(@{})?'",
        "preinit batch pages/ -m app.wasm -o out --stdin-from --pattern '*.html' --jobs 4",
        "preinit batch jobs.toml --scheduler tcp://10.0.0.1:8786",
    ),
    environment=("PREINIT_CACHE_DIR", "PREINIT_WASM_TOOLS", "NO_COLOR"),
)
@click.argument("source", metavar="FILE|DIR")
@click.option("-o", "--output-dir", metavar="DIR", help="Where outputs go.  [default: the job file's output_dir]")
@click.option("-m", "--module", metavar="IN", help="The module to build from.  [default: the job file's module]")
@click.option("--resume", is_flag=True, help="Leave outputs alone that are up to date.")
@under(
    "Who does the jobs",
    click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Processes.  [default: one a core]"),
    click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster (pip install preinit[cluster])."),
)
@under(
    "Jobs of a folder",
    click.option(
        "-f",
        "--init-func",
        multiple=True,
        metavar="NAME[(ARG,..)]",
        help="Export to run, several in order. ARG is a number, @FILE for its bytes as address and length, or *N for "
        "the 32 bits at N bytes from what was returned; {} is the job's file. A ? behind it: an error that it returns "
        "fails the job.",
    ),
    click.option("-r", "--rename-func", multiple=True, metavar="DST=SRC", help="Export SRC under the name DST."),
    click.option("--stdin-from", is_flag=True, help="Each file is the standard input of its job."),
    click.option("--pattern", default="*", show_default=True, metavar="GLOB", help="Which files."),
    click.option("--dir", "dirs", multiple=True, metavar="HOST[::GUEST]", help="Folder that guests may read."),
    click.option("--env", "env", multiple=True, metavar="K[=V]", help="Environment variable; without =V, ours."),
    click.option("--arg", "args", multiple=True, metavar="ARG", help="Argument of the guests; {} is the file's name."),
    click.option("--layout", type=click.Choice(LAYOUTS), help="How memory is cut into segments."),
    click.option("--engine", type=click.Choice(ENGINES), help="What is compiled before it runs."),
    click.option("--compiler", type=click.Choice(COMPILERS), help="The engine's compiler."),
    click.option("--timeout", type=float, metavar="SECONDS", help="Give each job up after that long."),
    click.option("--max-memory", type=Size(), metavar="SIZE", help="Most that a memory may have."),
    click.option("--strict", is_flag=True, help="Warnings are errors."),
)
@click.option("--report", metavar="FILE", help="Write what became of each job as JSON; - is standard output.")
@under(
    "Messages",
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("--debug", is_flag=True, help="Show Python's traceback of an error."),
)
@click.pass_context
def command(
    context: click.Context,
    /,
    source: str,
    output_dir: str | None,
    module: str | None,
    resume: bool,
    jobs: int | None,
    scheduler: str | None,
    report: str | None,
    quiet: bool,
    debug: bool,
    **common: Any,
) -> None:
    """Make many snapshots of one module: one for each job in FILE, or one for each file of DIR.

    The module is compiled once by each process. Jobs that fail do not stop the others; the exit code is 1 then, and
    `--resume` does what is left. Outputs are written here, each when its job is done, whole or not at all. A cluster
    needs nothing but the same preinit on each worker: the module, files and folders travel with the jobs.

    A job file is TOML, or JSON lines (.jsonl: the first line has what stands before [[job]]):

    \b
      module = "engine.wasm"         # paths count from the job file
      output_dir = "out"
      [options]                      # what all jobs have in common
      init = ["initialize-runtime"]
      timeout = 60
      [[job]]
      output = "hello.wasm"
      init = ["initialize-runtime", "compile-src(@hello.js)?"]
      stdin = "hello.txt"
      args = ["hello"]
      env = { LANG = "C" }
      dirs = { "lib" = "/usr/lib" }
    """
    with explained(debug) as progress:
        given = [name for name in _OF_FOLDERS if context.get_parameter_source(name) is not _BY_DEFAULT]
        if scheduler is not None and jobs is not None:
            raise UsageError("a cluster has as many processes as it has", hint="Leave out `--jobs` or `--scheduler`.")
        if report:
            check_writable(report, "--report")
        from ..batch import run
        from ..batch.crews import Cluster, Crew, Processes
        from ..batch.work import Order
        from ..errors import JobsFailed

        batch = _batch(source, output_dir, module, common, given)
        shown = _Line(len(batch.jobs), quiet)

        def hire(order: Order) -> Crew:
            if scheduler is not None:
                if not debug:
                    logging.disable()  # what Dask says of what goes wrong is said in one place, by us
                return Cluster(order, scheduler)
            return Processes(order, min(jobs or _cores(), len(batch.jobs)))

        try:
            summary = run(batch, hire, resume=resume, note=shown.note)
        finally:
            shown.clear()
        if report:
            write_output(report, _report(summary).encode(), "--report")
        if not quiet:
            for line in _table(summary):
                say(printable(line))
        failed = summary.count("failed")
        progress.report = None
        if failed:
            raise JobsFailed(f"{failed:,} of {len(summary.results):,} jobs failed")
    leave(0)


_BY_DEFAULT = click.core.ParameterSource.DEFAULT


def _batch(source: str, output: str | None, module: str | None, common: Mapping[str, Any], given: list[str]) -> Any:
    from ..batch import read_folder, read_jobs

    path = Path(source)
    target = None if output is None else Path(output)
    if not path.is_dir():
        if given:
            option = "--" + {"dirs": "dir", "args": "arg"}.get(given[0], given[0].replace("_", "-"))
            raise UsageError(
                f"`{option}` is for a folder of files, and {source!r} is none",
                hint="Write it into the job file, under [options] or [[job]].",
            )
        return read_jobs(path, target, None if module is None else Path(module))
    if module is None or target is None:
        missing = "-m MODULE" if module is None else "-o DIR"
        raise UsageError(f"a folder does not say everything: `{missing}` is missing", hint=f"Give it: {missing}.")
    settings: dict[str, Any] = {
        "init": list(common["init_func"]),
        "rename_funcs": [list(renaming(text)) for text in common["rename_func"]],
        "dirs": dict(map(folder, common["dirs"])),
        "env": dict(map(variable, common["env"])),
        "args": list(common["args"]),
        "strict": common["strict"],
    }
    settings |= {key: common[key] for key in ("layout", "engine", "compiler", "timeout", "max_memory")}
    settings = {key: value for key, value in settings.items() if value}
    return read_folder(path, Path(module), target, settings, common["pattern"], common["stdin_from"])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Line:
    """On a terminal, a line that says how far it is; failures are said as they come."""

    def __init__(self, jobs: int, quiet: bool) -> None:
        self._jobs = jobs
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._counts = {"built": 0, "current": 0, "failed": 0}
        self._started = self._last = time.monotonic()

    def note(self, result: Any) -> None:
        self._counts[result.status] += 1
        if result.status == "failed" and self._counts["failed"] <= _FEW:
            self.clear()
            say(f"{style('failed', fg='red')} {printable(result.name)}: {_said(result.error)}")
        if self._shown and time.monotonic() - self._last >= 0.2:
            self._last = time.monotonic()
            rate = self._counts["built"] / (self._last - self._started)
            done = sum(self._counts.values())
            sys.stderr.write(f"\r\033[K{done:,} of {self._jobs:,} jobs, {rate:.1f} a second")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _said(error: Mapping[str, Any]) -> str:
    where = f"\n  where: {error['where']}" if error["where"] else ""
    hint = f"\n  what to do: {error['hint']}" if error["hint"] else ""
    return "\n".join(map(printable, f"[{error['code']}] {error['what']}{where}{hint}".split("\n")))


def _table(summary: Any) -> list[str]:
    """How many jobs ended how."""
    size = sum(result.size for result in summary.results)
    words = {"built": "built", "current": "up to date", "failed": "failed", "left": "not begun"}
    rows = [(word, summary.count(status)) for status, word in words.items()]
    lines = [f"{word:<10} {count:>9,}" for word, count in rows if count]
    codes: dict[str, int] = {}
    for result in summary.results:
        for code in [*dict.fromkeys(result.warnings), *([result.error["code"]] if result.error else [])]:
            codes[code] = codes.get(code, 0) + 1
    lines += [f"  {code}: {count:,} job{'s' * (count != 1)}" for code, count in sorted(codes.items())]
    built = summary.count("built")
    rate = f", {built / summary.seconds:.1f} a second" if built else ""
    return [*lines, f"{size:,} bytes written, {summary.seconds:.2f} s{rate}"]


def _report(summary: Any) -> str:
    import dataclasses

    from ..result import REPORT_VERSION
    from ..version import VERSION

    facts = {"version": REPORT_VERSION, "preinit": VERSION, "seconds": summary.seconds}
    jobs = [dataclasses.asdict(result) for result in summary.results]
    return json.dumps({**facts, "jobs": jobs}, indent=2) + "\n"
