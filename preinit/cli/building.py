"""What `preinit build` does for one module; nothing here knows what reads the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import OutputNotWritable, PreinitError, UsageError, locate_input, printable
from ..files.outputs import NOUNS, STANDARD_OUTPUT, check_writable, same_file, write_output
from ..passes.observer import Observer
from .arguments import other_inputs, read
from .failure import Progress, leave, say, say_warning
from .given import options_of
from .progress import shown

if TYPE_CHECKING:
    from ..result import Result


def build_file(given: Mapping[str, Any], progress: Progress) -> None:
    """Builds, writes, says what is to be said and ends the process. `given`: all parameters of the command `build`.

    Raises what `explained` explains.
    """
    (source,), output, verify = given["sources"], given["output"], given["verify"]
    report, html = given["report"], given["html"]
    _check_targets(source, output, {"--report": report, "--html": html}, given["stdin"], other_inputs(given))
    progress.report = report
    if output == STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a binary is not written to a terminal", hint="Name a file: `-o OUT`.")
    check_writable(output)
    seen = bool(report or html)
    options = options_of(given, measure_gzip=seen, digest_files=seen, digest_modules=seen)
    if verify:
        from ..verification import check_repeatable, verify_calls

        check_repeatable(options)
    data = _read(source)
    from ..binary.encoder import PREAMBLE

    if data[:4] != PREAMBLE[:4] and STANDARD_OUTPUT not in (source, output) and same_file(source, output):
        raise UsageError(
            f"the module, a binary, would overwrite the text {source!r} that it is made from",
            hint="Name another file with `-o`.",
        )
    from ..engine.room import has_limit
    from ..passes.pipeline import build_module  # imports the engine

    observer, ahead = Observer(), None
    # To verify it, the guest runs again, and might find the file; a thread takes address space.
    if len(data) >= _LARGE and not verify and not has_limit():
        from ..files.ahead import Ahead

        ahead = Ahead(output)
        observer.output = ahead.begin
    try:
        with shown(observer, given["quiet"], given["verbose"]):
            result = build_module(data, options, observer)
            verified = verify_calls(data, result.wasm, options, observer=observer) if verify else None
        progress.writing = True
        if not (ahead and ahead.finish(result.written)):
            write_output(output, result.written.pieces)
    except BaseException as problem:
        if ahead:
            ahead.discard()
        if isinstance(problem, PreinitError) and not progress.writing:
            locate_input(problem, "standard input" if source == STANDARD_OUTPUT else source)
        raise
    for option, target in (("--report", report), ("--html", html)):
        if not target:
            continue
        try:
            write_output(target, _view(option, data, result, output).encode(), option)
        except OutputNotWritable as problem:
            raise OutputNotWritable(f"{problem.what}; the module was written", hint=problem.hint) from problem
    if not given["quiet"]:
        from ..report.text import summary

        for warning in result.report.warnings:
            say_warning(warning.code, warning.message, warning.hint)
        for line in summary(result.report):
            say(printable(line))
        if verified:
            from ..report.verification import lines

            for line in lines(verified):
                say(printable(line))
    leave(0)


#: Bytes of a module from which on reading it takes as long as importing what builds it.
_LARGE = 4 << 20


def _read(source: str) -> bytes:
    """The module; beside a large one, what builds it is imported. Raises what `read` raises."""
    try:
        large = os.stat(source).st_size >= _LARGE  # never a pipe
    except (OSError, ValueError):
        large = False
    if not large:
        return read(source)
    import threading

    from ..engine.room import has_limit

    beside = threading.Thread(target=_import_builder, args=(source,), daemon=True)
    if not has_limit():  # a thread takes address space, and the engine ends the process where there is none left
        with suppress(RuntimeError):  # too many threads
            beside.start()
    from ..files.mapped import large_copy

    data = large_copy(source) or read(source)
    if beside.ident is not None:
        beside.join()
    return data


def _import_builder(source: str) -> None:
    with suppress(Exception):  # it is imported again, and then said
        with open(source, "rb", buffering=0) as stream:
            begins = stream.read(8)
        import_module("..passes.pipeline", __package__).get_ready(begins)


def _view(option: str, data: bytes, result: Result, output: str) -> str:
    """The report, or the page about a build of `data`."""
    if option == "--report":
        from ..report.json import dumps

        return dumps(result.report)
    name = "standard output" if output == STANDARD_OUTPUT else os.path.basename(output)
    from ..inspection import inspect
    from ..report.inspected import page_of

    return page_of(inspect(result.wasm, data), name, result.report)


def _check_targets(
    source: str, output: str, views: Mapping[str, str | None], stdin: str | None, others: Sequence[str]
) -> None:
    """Refuses names that would have a report overwrite something, or two readers share one stream."""
    for option, name in (("-o", output), *views.items(), ("--stdin", stdin)):
        if name == "":
            raise UsageError(f"the file name of `{option}` is empty")
    if source == stdin == STANDARD_OUTPUT:
        raise UsageError(
            "the module and the guest's standard input can't both be read from standard input",
            hint="Give one of them as a file.",
        )
    for used in (stdin, *others):
        if used and STANDARD_OUTPUT not in (used, output) and same_file(used, output):
            raise UsageError(f"the module would overwrite the input {used!r}", hint="Name another file with `-o`.")
    taken = [("module", output)]
    for option, name in views.items():
        if name is None:
            continue
        noun = NOUNS[option]
        for other, place in taken:
            if same_file(place, name):
                where = "standard output" if place == STANDARD_OUTPUT else repr(place)
                hint = "Name one: `-o OUT`." if other == "module" else "Name two files."
                raise UsageError(f"the {other} and the {noun} can't both go to {where}", hint=hint)
        for used in (source, stdin, *others):
            if used and STANDARD_OUTPUT not in (used, name) and same_file(used, name):
                raise UsageError(
                    f"the {noun} would overwrite the input {used!r}", hint=f"Name another file with `{option}`."
                )
        check_writable(name, option)
        taken.append((noun, name))
