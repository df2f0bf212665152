"""A process that builds one target, for a parent that builds several.

It reads a job from standard input, which stays open as long as the parent lives, and writes the outcome to standard
output. What the guest prints goes to standard error.
"""

from __future__ import annotations

import _thread
import gc
import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    Interrupted,
    OutputNotWritable,
    OutputStale,
    PreinitError,
    as_error,
    clean_up_when_terminated,
    in_words,
    locate_input,
    way_out,
)
from ..files.outputs import check_writable, to_stderr, write_output
from ..files.regular import MOST_MODULE, read_bounded
from ..files.replace import replace_file
from ..files.toml import shown
from ..options import Options
from ..options.fields import changed
from .state import Fingerprint, state_bytes, state_file
from .target import Target

if TYPE_CHECKING:
    from ..result import Result

#: Seconds that are left to clean up when the parent is gone.
_GRACE = 5.0


#: Where what the guest prints goes.
_HEARD = {"stdout": to_stderr, "stderr": to_stderr}


@dataclass(frozen=True)
class Job:
    """`now`: what the target depends on, None to only check that its output is what a build gives."""

    target: Target
    options: Options
    now: Fingerprint | None


def main() -> None:
    """Builds the target of the job on standard input; ends the process."""
    gc.disable()
    clean_up_when_terminated()
    answer = os.dup(1)
    os.dup2(2, 1)  # nothing but the outcome goes there
    try:
        job: Job = pickle.load(sys.stdin.buffer)  # from our parent
        threading.Thread(target=_end_with_parent, daemon=True).start()
        outcome = _done(job)
        with os.fdopen(answer, "wb") as stream:
            stream.write(json.dumps(outcome).encode())
    except KeyboardInterrupt:
        os._exit(130)
    except BrokenPipeError:
        os._exit(141)
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read(1)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # wakes it, whatever it waits for
    else:
        _thread.interrupt_main()
    time.sleep(_GRACE)
    os._exit(130)


def _done(job: Job) -> dict[str, Any]:
    """The outcome as JSON values: either what was built, or the error."""
    try:
        return _check(job) if job.now is None else _build(job, job.now)
    except KeyboardInterrupt:
        raise
    except BaseException as caught:
        problem = as_error(caught)
        report_failure(job.target, problem, write=job.now is not None)
        return {"error": {"code": problem.code, "text": str(problem)}}


def report_failure(target: Target, problem: PreinitError, write: bool) -> None:
    """Writes the report of a failure, if the target has one. That this fails must not hide the problem.

    A build that was interrupted says nothing about the target: the report of what it has stays.
    """
    if target.report is None or not write or isinstance(problem, Interrupted):
        return
    from ..report.json import failure

    try:
        target.report.parent.mkdir(parents=True, exist_ok=True)
        write_output(os.fspath(target.report), failure(problem).encode(), "--report")
    except (OSError, PreinitError):
        return


def _result(job: Job) -> Any:
    from ..passes.observer import Observer
    from ..passes.pipeline import build_module

    try:
        return build_module(os.fspath(job.target.input), changed(job.options, _HEARD), Observer())
    except PreinitError as problem:
        locate_input(problem, shown(job.target.input))
        raise


def _verify(job: Job, result: Result) -> None:
    """Raises `Mismatch` if an output is not what its input is after its initializer."""
    given = job.target.verify
    if given is None:
        return
    from ..verification import Calls, verify_calls

    verify_calls(os.fspath(job.target.input), result.wasm, job.options, Calls.of_settings(given))


def _build(job: Job, now: Fingerprint) -> dict[str, Any]:
    target = job.target
    for path, option in ((target.output, "-o"), (target.report, "--report")):
        if path:
            _check_place(path, option)
    if target.verify is not None:
        from ..verification import check_repeatable

        check_repeatable(job.options)
    started = time.perf_counter()
    result = _result(job)
    _verify(job, result)
    report = result.report
    written = {"output": report.output.sha256}
    _write(target.output, result.written.pieces, "-o")
    if target.report:
        import hashlib

        from ..report.json import dumps

        text = dumps(report).encode()
        _write(target.report, text, "--report")
        written["report"] = hashlib.sha256(text).hexdigest()
    with suppress(OSError):  # then it is built again next time; a pipe of that name is not waited for
        replace_file(state_file(target.output), state_bytes(now, written))
    return {
        "sizes": [report.input.size, report.output.size],
        "seconds": time.perf_counter() - started,
        "warnings": [[warning.code, warning.message, warning.hint] for warning in report.warnings],
    }


def _check_place(path: Path, option: str) -> None:
    if os.path.exists(path.parent):  # `Path.exists` raises where a name is too long, say
        check_writable(os.fspath(path), option)
    if os.path.exists(path) and not path.is_file():
        raise OutputNotWritable(f"{shown(path)!r} is not a regular file", hint="Name one in the config file.")


def _write(path: Path, data: bytes | Sequence[bytes | memoryview], option: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputNotWritable(
            f"the folder {shown(path.parent)!r} can't be made: {in_words(problem)}",
            hint=way_out(problem, "Name another one."),
        ) from problem
    write_output(os.fspath(path), data, option)


def _check(job: Job) -> dict[str, Any]:
    """Builds to memory and compares."""
    target = job.target
    host = job.options.host
    varying = "host" in (host.clock, host.random)
    if varying or (host.writable and host.dirs):
        what = "the system's clock or random numbers" if varying else "folders that they may write"
        raise OutputStale(
            f"builds of this target use {what}: what they give can't be compared",
            where=target.place,
            hint="Check the other targets by name, or close that target's world.",
        )
    name = shown(target.output)
    hint = f"Build it: preinit build {target.name}"
    try:
        before = read_bounded(target.output, MOST_MODULE)
    except OSError as problem:
        if os.path.exists(target.output) and not os.path.isfile(target.output):
            hint = "Name a regular file in the config file."
        raise OutputStale(
            f"the output {name!r} can't be read: {in_words(problem)}", where=target.place, hint=way_out(problem, hint)
        ) from problem
    result = _result(job)
    if before != result.wasm:
        raise OutputStale(
            f"the output {name!r} is not what a build gives: {_difference(before, result.wasm)}",
            where=target.place,
            hint=hint,
        )
    return {"sizes": [result.report.input.size, len(before)], "warnings": []}


def _difference(before: bytes, now: bytes) -> str:
    """Where two binaries differ first, by the sections of the one that a build gives."""
    from ..binary.module import read_sections

    shared = min(len(before), len(now))
    low, high = 0, shared  # all before `low` is equal; the first difference lies below `high`, or at `shared`
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == now[low:middle]:
            low = middle
        else:
            high = middle - 1
    section = next((found.label for found in read_sections(now) if found.header <= low < found.end), "end")
    sizes = f"it has {len(before):,} bytes, not {len(now):,}; " if len(before) != len(now) else ""
    return f"{sizes}the first difference is at byte offset {low:#x}, in the {section}"
