"""`preinit verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import PreinitError, UsageError, printable
from ..files.outputs import STANDARD_OUTPUT, write_output
from ..options import Options, tables
from ..passes.observer import Observer
from ..records import replaced
from .arguments import read
from .completed import File
from .failure import explained, leave
from .given import files, options_of, own_fields, settings_of
from .manual import messages, under
from .options import build_options
from .progress import shown
from .wizer import Command

if TYPE_CHECKING:
    from ..options.record import Recorded


@click.command(
    name="verify",
    cls=Command,
    examples=(
        "preinit verify engine.wasm ready.wasm -f initialize-runtime",
        "preinit verify engine.wasm ready.wasm --from-report report.json",
        "preinit verify app.wasm ready.wasm --call 'add(1,2)' --call get",
        "preinit verify app.wasm ready.wasm --call-all --seed 7 --json",
        "preinit verify tool.wasm ready.wasm -r _start=resume --run --run-arg tool --run-arg --help",
        "preinit verify tool.wasm ready.wasm --pause-at stdin --run --run-stdin short.txt --run-stdin long.txt",
    ),
)
@click.argument("source", metavar="IN", type=File())
@click.argument("output", metavar="OUT", type=File())
@under(
    "What is compared",
    click.option(
        "--from-report",
        type=File(),
        metavar="FILE",
        help="The build's report (build --report FILE), which says the build's options.",
    ),
    click.option(
        "--call", "calls", multiple=True, metavar="NAME[(N,..)]", help="Call this export in both; may be repeated."
    ),
    click.option(
        "--call-all",
        is_flag=True,
        help="Call every export that takes nothing but numbers (of a component: no handles), with arguments at their "
        "boundaries and random ones.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="What those random arguments come from."),
    click.option("--run", is_flag=True, help="Call _start: compare what a command prints and its exit code."),
    click.option(
        "--run-arg",
        "run_args",
        multiple=True,
        metavar="ARG",
        help="Argument for calls; the first is the program's name.",
    ),
    click.option(
        "--run-stdin",
        "run_stdins",
        type=File(),
        multiple=True,
        metavar="FILE",
        help="What calls read from standard input; if repeated, each call is made once for each.",
    ),
    click.option(
        "--call-timeout",
        type=float,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Stop a call after that long; nothing is said of one that takes longer in both.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the facts, or the failure, as JSON."),
)
@build_options
@messages
def command(
    source: str,
    output: str,
    from_report: str | None,
    calls: tuple[str, ...],
    call_all: bool,
    seed: int,
    run: bool,
    run_args: tuple[str, ...],
    run_stdins: tuple[str, ...],
    call_timeout: float,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    debug: bool,
    **given: Any,
) -> None:
    """Run the initializer of the module IN again, and compare what it leaves with a fresh instance of the module OUT.

    Memories, globals, tables, segments, exports, imports, code and custom sections must be the same. Exports that are
    called, each in fresh instances of both, must return, trap, print and leave the same.

    Give the options that OUT was built with, or the report of the build. A report says the build's options; what is
    given in addition takes their place. It does not hold values of environment variables, nor the guest's standard
    input: give those again. Where IN and OUT differ, the exit code is 1 (error[mismatch]).
    """
    with explained(debug) as progress:
        progress.report = STANDARD_OUTPUT if as_json else None
        if [source, output, given["stdin"], *run_stdins].count(STANDARD_OUTPUT) > 1:
            raise UsageError("only one of the files can be read from standard input", hint="Give the others as files.")
        if (run_args or run_stdins) and not (calls or call_all or run):
            raise UsageError(
                "nothing is called that could take arguments", hint="Call something: `--run`, or `--call NAME`."
            )
        recorded, options = _options(from_report, given)
        from ..verification import Calls, verify_calls  # imports the engine

        host = None
        if run_args or run_stdins:
            host = replaced(options.host, args=run_args, stdin=b"")
        wanted = Calls(calls, call_all, run, seed, host, call_timeout, tuple(map(read, run_stdins)))
        data, other = read(source), read(output)
        observer = Observer()
        try:
            with shown(observer, quiet or as_json, verbose):
                facts = verify_calls(data, other, options, wanted, recorded, observer, bool(given["cache"]))
        except PreinitError as problem:
            _name(problem, source, output)
            raise
        progress.report = None  # what is written from now on is no failure's report
        from ..report.verification import dumps, lines

        if as_json:
            write_output(STANDARD_OUTPUT, dumps(facts).encode(), "--json")
        elif not quiet:
            write_output(STANDARD_OUTPUT, "".join(f"{printable(line)}\n" for line in lines(facts)).encode(), "--json")
    leave(0)


def _options(report: str | None, given: dict[str, Any]) -> tuple[Recorded | None, Options]:
    """The options: those on the command line, and those of the report which are not there."""
    if report is None:
        return None, options_of(given)
    from ..options.record import options_of_report, read_report

    recorded = read_report(report)
    fields = tables.fields_of(settings_of(given), files())
    return recorded, options_of_report(recorded, {**fields, **own_fields()})


def _name(problem: PreinitError, source: str, output: str) -> None:
    """Puts the file's name in front of the place in it."""
    if problem.code in ("mismatch", "time-limit", "usage"):
        return
    if problem.where and problem.where.startswith("the output"):
        problem.where = problem.where.replace("the output", f"the output {output}", 1)
        return
    name = "standard input" if source == STANDARD_OUTPUT else source
    problem.where = f"{name}, {problem.where}" if problem.where else name
