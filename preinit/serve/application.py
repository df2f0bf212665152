"""A WSGI application that answers each request with a fresh instance of a command."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..binary.module import Module, parse
from ..binary.sections import ExternKind
from ..binary.types import FuncType
from ..engine import ffi
from ..engine.code import CodeCache
from ..engine.copies.pool import Copies, CopySettings
from ..engine.validation import first_line
from ..engine.values import GuestTrapped, RawFrame
from ..errors import ComponentInput, PreinitError, UnknownExport, UsageError, printable, quoted
from ..files.cache import folder_of
from ..host.guest import Guest, GuestEnded, NoMemory, OutOfTime, TooMuchOutput, functions
from ..host.preopens import preopens
from ..options import Host, Options
from ..passes.instrument.start import exported_start
from ..passes.parse.source import binary
from ..passes.parse.supported import check_supported
from .complete import Complete
from .failure import Failed
from .request import Request, read_request
from .response import Answer, phrase, read_response
from .settings import Settings
from .world import FrozenEnvironment, startup_lines

#: What a reactor has to be told before anything else is called.
_INITIALIZE = "_initialize"

#: Answers that may stand for another path, one after the other.
_MOST_REDIRECTS = 5

#: Functions of a backtrace that a log line has.
_MOST_FRAMES = 4

#: Characters of a request's line, or of one that a guest prints, in the log.
_LONGEST_LINE = 1000

_INTERRUPT = ffi.INTERRUPT
_STACK_OVERFLOW = ffi.STACK_OVERFLOW

#: What a log line is given to.
Log = Callable[[str], None]


class Application:
    """Give it to any WSGI server whose threads have `preinit.engine.copies.pool.COPY_THREAD_STACK` bytes of stack.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them.
    settings: how to serve it; instead, its fields can be given by name.
    log: is given a line for each request, and what instances print to standard error.

    Raises a `PreinitError` for a module that can't be served.
    """

    def __init__(
        self,
        wasm: bytes | str | os.PathLike[str],
        settings: Settings | None = None,
        *,
        log: Log | None = None,
        **fields: Any,
    ) -> None:
        if settings is not None and fields:
            raise UsageError(f"settings were given, and {next(iter(fields))!r} in addition")
        unknown = next((name for name in fields if name not in Settings.__dataclass_fields__), None)
        if unknown:
            raise UsageError(f"there is no setting {unknown!r}")
        self.settings = settings = settings or Settings(**fields)
        try:
            self.module = module = parse(binary(wasm))
        except ComponentInput as problem:
            raise ComponentInput(
                problem.what, hint="`wasmtime serve FILE` serves components of `wasi:http/proxy`."
            ) from None
        check_supported(module, Options(max_memory=settings.max_memory))
        _check_entry(module, settings.entry)
        self._calls = [name for name in (_INITIALIZE, settings.entry) if name in module.exported_names]
        wasm, start = exported_start(module)
        if start:
            self.module = module = parse(wasm)
            self._calls.insert(0, start)
        for opened in preopens(Host(dirs=settings.dirs)):  # finds out now whether they can be opened
            opened.close()
        folder = folder_of(None) if settings.cache else None
        cache = CodeCache(folder) if folder else None
        self._copies = Copies(
            module,
            CopySettings(
                settings.compiler,
                cache,
                settings.max_memory,
                settings.threads,
            ),
            functions(module),
        )
        memory = module.exported("memory")
        self._has_memory = memory is not None and memory.kind == ExternKind.MEMORY
        self._free = threading.BoundedSemaphore(settings.threads)
        self._log = log or (lambda line: None)
        for line in startup_lines(module, settings):
            self._log(line)
        self._watches = FrozenEnvironment(module)
        if cache and cache.distrusted:
            self._log(f"compiled anew: {cache.distrusted}")

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = time.perf_counter()
        complaints: list[str] = []
        why = ""
        try:
            answer, status = self._answer(environ, complaints)
            why = f"exit code {status}" if status else ""
        except Failed as problem:
            answer = failure_answer(problem)
            why = f"{problem.reason}; {problem.detail}" if problem.detail else problem.reason
        except Exception as problem:  # one request must not end the server
            what = problem.what if isinstance(problem, PreinitError) else f"{type(problem).__name__}: {problem}"
            answer = failure_answer(Failed(500, "the request could not be answered"))
            why = f"unexpected: {what}"
        fields = [*answer.fields]
        if int(answer.status[:3]) not in (204, 304):
            fields.append(("Content-Length", str(len(answer.body))))
        for text in complaints:
            for line in text.splitlines():
                shown = line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."
                self._log(f"  guest: {printable(shown)}")
        self._log(log_line(environ, answer, time.perf_counter() - started, why))
        start_response(answer.status, fields)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" or not answer.body else [answer.body]

    def close(self) -> None:
        """Lets go of the engine, when no request is under way."""
        self._copies.close()

    def stop(self) -> None:
        """Ends what instances are doing now, as if their time were over."""
        self._copies.stop()

    def _answer(self, environ: Mapping[str, Any], complaints: list[str]) -> tuple[Answer, int]:
        """What is answered, and the last exit code of its commands that was not 0."""
        request = read_request(environ, self.settings.env, self.settings.max_body)
        deadline = time.monotonic() + self.settings.timeout
        status = 0
        for _ in range(_MOST_REDIRECTS + 1):
            printed, code = self._run(request, deadline, complaints)
            status = code or status
            response = read_response(printed)
            if isinstance(response, Answer):
                return response, status
            request = request.redirected(response.location)
        raise Failed(502, f"the command redirected the request more than {_MOST_REDIRECTS} times")

    def _run(self, request: Request, deadline: float, complaints: list[str]) -> tuple[bytes, int]:
        """What a fresh instance prints for a request, and its exit code."""
        settings = self.settings
        if not self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise Failed(503, "all instances are busy")
        try:
            host = Host(
                env=request.variables,
                args=settings.args,
                dirs=settings.dirs,
                stdin=request.body,
                clock="host",
                random="host",
                file_times="host",
            )
            complete = Complete()
            guest = Guest(host, deadline, settings.max_output, complete)
            try:
                status = self._call(guest, max(0.0, deadline - time.monotonic()))
            finally:
                guest.close()
                if said := self._watches.warning(guest):
                    self._log(said)
                if guest.complaint:
                    complaints.append(guest.complaint)
            return guest.output[: complete.length], status
        finally:
            self._free.release()

    def _call(self, guest: Guest, seconds: float) -> int:
        """The exit code of a command that ran."""
        try:
            with self._copies.start(guest, seconds) as copy:
                if self._has_memory:
                    guest.bind(copy.memory())
                for name in self._calls:
                    copy.call(name)
            return 0
        except GuestEnded as end:
            if end.code and not guest.output:
                raise Failed(500, "the command ended with an error", f"exit code {end.code}") from None
            return end.code
        except OutOfTime:
            raise self._late() from None
        except TooMuchOutput:
            raise Failed(502, f"the command printed more than {self.settings.max_output:,} bytes") from None
        except NoMemory:
            raise Failed(500, "the command's memory is not exported as `memory`, where WASI looks for it") from None
        except GuestTrapped as trap:
            if trap.code == _INTERRUPT:
                raise self._late() from None
            what = "the command exhausted its stack" if trap.code == _STACK_OVERFLOW else "the command trapped"
            raise Failed(500, what, f"{first_line(trap)}{self._where(trap.frames)}") from None
        except PreinitError as problem:
            raise Failed(500, "the command could not run", problem.what) from None

    def _late(self) -> Failed:
        return Failed(504, f"the command took longer than {self.settings.timeout:g} seconds")

    def _where(self, frames: tuple[RawFrame, ...]) -> str:
        """The innermost functions, with their names where they have any."""
        indices = [frame.function for frame in frames[:_MOST_FRAMES]]
        names = self.module.function_names(indices)
        shown = [f"`{printable(names[i])}`" if i in names else f"function {i}" for i in indices]
        return f" in {', called from '.join(shown)}" if shown else ""


def failure_answer(problem: Failed) -> Answer:
    """A short text for the client: what happened, nothing of the guest's inside."""
    status = f"{problem.status} {phrase(problem.status)}"
    fields = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))
    return Answer(status, fields, f"{status}: {problem.reason}\n".encode())


def log_line(environ: Mapping[str, Any], answer: Answer, seconds: float, why: str) -> str:
    """One line: when, who, what was asked, what came of it."""
    asked = " ".join(str(environ.get(name, "-")) for name in ("REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL"))
    asked = asked if len(asked) <= _LONGEST_LINE else asked[:_LONGEST_LINE] + "..."
    line = (
        f'{time.strftime("%Y-%m-%d %H:%M:%S")} {environ.get("REMOTE_ADDR", "-")} "{printable(asked)}" '
        f"{answer.status[:3]} {len(answer.body):,} bytes {seconds * 1000:.1f} ms"
    )
    return f"{line}: {printable(why)}" if why else line


def _check_entry(module: Module, entry: str) -> None:
    for name in (_INITIALIZE, entry):
        export = module.exported(name)
        if export is None:
            if name == entry:
                raise UnknownExport(
                    f"the module exports no function {quoted(entry)} that could answer a request",
                    hint="Name another with `--entry NAME`, or build with `-r _start=NAME`.",
                )
            continue
        if export.kind != ExternKind.FUNC or module.function_type(export.target) != FuncType((), ()):
            raise UnknownExport(
                f"the export {quoted(name)} is not a function of type () -> (), so it can't be called for a request",
                hint="Name another with `--entry NAME`, or build with `-r _start=NAME`.",
            )
