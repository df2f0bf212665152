"""Is an output what its input is after its initializer? Both are run, and all that can be seen of them is compared."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any

from ..binary.cursor import Cursor
from ..binary.late import SECTION as LATE
from ..binary.module import Module
from ..engine.runtime import Deadline
from ..errors import Discrepancy, InputError, Mismatch, UsageError
from ..options import Host, Options
from ..options.fields import given
from ..options.kinds import SECONDS
from ..options.record import Recorded, options_of_report, read_report
from ..options.words import for_python
from ..passes.observer import Listener, Observer
from ..passes.parse.source import Wasm, is_component, parse_within, read_preloads, read_within
from ..passes.parse.supported import check_supported
from ..passes.plan.entries import entries, renamed
from ..passes.plan.exports import output_exports
from ..passes.plan.initializers import Call as Planned
from ..passes.plan.initializers import choose
from ..passes.plan.job import Job, rooms_of
from ..passes.plan.pause import find_pause
from ..passes.rewrite.frames import SECTION as FRAMES
from ..result import Report
from ..symbols.stack import find_stack
from ..version import VERSION
from .beginning import Beginning
from .behaviour import STOPPED, Side, differences
from .calls import Call, for_all, read_call
from .customs import customs
from .globals import guards, takes_other_values
from .instances import Both, of_output, raise_any, run_both
from .result import VERIFICATION_VERSION, CallFacts, Verification
from .structure import structure

if TYPE_CHECKING:
    from typing import Unpack

    from ..options.fields import Fields

#: Seconds that each call may take, unless the caller says otherwise.
CALL_TIMEOUT = 10.0

#: What a command exports: https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md
_START = "_start"


@dataclasses.dataclass(frozen=True)
class Calls:
    """Which exports to call, in fresh instances of both: see `verify`."""

    calls: tuple[str, ...] = ()
    every: bool = False
    run: bool = False
    seed: int = 0
    host: Host | None = None
    timeout: float = CALL_TIMEOUT
    stdins: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        SECONDS.check("the time limit of a call", self.timeout)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Calls:
        """Those that a table in a file says, by the keys of `options.entries.VERIFY`."""
        return cls(
            calls=tuple(settings.get("calls", ())),
            every=settings.get("call-all", False),
            run=settings.get("run", False),
            seed=settings.get("seed", 0),
            timeout=settings.get("call-timeout", CALL_TIMEOUT),
        )

    def of(self, output: Module) -> Iterator[Call]:
        """The calls, in order. Raises `UnknownExport`, `Misfit`."""
        for text in self.calls:
            yield read_call(output, text)
        if self.every:
            yield from for_all(output, self.seed)
        if self.run:
            yield read_call(output, _START)

    def worlds(self, host: Host) -> Iterator[tuple[Host, str]]:
        """What each call sees, made once in each: `host`, or that with other input; and what to add to its name."""
        for number, stdin in enumerate(self.stdins, 1):
            said = f", input {number} of {len(self.stdins)}" if len(self.stdins) > 1 else ""
            yield dataclasses.replace(host, stdin=stdin), said
        if not self.stdins:
            yield host, ""


def verify(
    wasm: Wasm,
    output: Wasm,
    options: Options | None = None,
    *,
    calls: Sequence[str] = (),
    call_all: bool = False,
    run: bool = False,
    seed: int = 0,
    call_host: Host | None = None,
    call_timeout: float = CALL_TIMEOUT,
    call_stdins: Sequence[bytes] = (),
    report: Report | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    progress: Listener | None = None,
    **fields: Unpack[Fields],
) -> Verification:
    """Runs the initializer of `wasm` again and compares what it leaves with a fresh instance of `output`.

    Memories, globals, tables, segments, exports, imports, code and custom sections; then calls of exports, each in
    fresh instances of both: results, traps, what they print, and all state afterwards.

        preinit.verify("engine.wasm", "ready.wasm", init_funcs=["initialize-runtime"], call_all=True)

    Parameters
    ----------
    wasm, output: a build's input and its output, as bytes, binary or text, or as paths.
    options: those of the build; instead, their fields by name.
    report: that of the build, or its path: the options come from it, but for fields that are given too.
    calls: exports to call: `NAME` or `NAME(1,0.5)`.
    call_all: call all that take nothing but numbers, with arguments at their boundaries and random ones of this `seed`.
    run: call `_start`.
    call_host: what the guest sees in these calls; None for what the initializer saw.
    call_timeout: seconds for each call; nothing is said of one that takes longer in both.
    call_stdins: what the guest reads from standard input in these calls: each is made once for each of them.
    progress: called with each `Event`: a stage begins or ends.
    fields: with `cache=True` among them, code of the cache is run; else all is compiled anew, since an output is not
        proven right by the code that made it.

    Raises `Mismatch` with the differences; `InputError` and whatever else building `wasm` raises.
    """
    with for_python():
        recorded = None if report is None else read_report(report)
        if recorded:
            if options is not None:
                raise UsageError("options were given, and a report that says them", hint="Give one of them.")
            options = options_of_report(recorded, fields)
        else:
            options = given(options, fields)
        wanted = Calls(tuple(calls), call_all, run, seed, call_host, call_timeout, tuple(call_stdins))
        return verify_calls(wasm, output, options, wanted, recorded, Observer(progress), bool(fields.get("cache")))


def verify_calls(
    wasm: Wasm,
    output: Wasm,
    options: Options,
    calls: Calls | None = None,
    recorded: Recorded | None = None,
    observer: Observer | None = None,
    cached: bool = False,
) -> Verification:
    """The same, for options and calls that are there already. `cached`: code of the cache may be run."""
    check_repeatable(options)
    calls = calls or Calls()
    started = time.monotonic()
    observer = observer or Observer()
    quiet = dataclasses.replace(
        options.host, quiet_guest=True
    )  # what the initializer prints was seen when it was built
    options = dataclasses.replace(options, audit=False, strict=False, host=quiet, cache=cached and options.cache)
    deadline = Deadline(options.timeout, grace=not options.process_ends, what="the verification")
    with observer.stage("parse"):
        data = read_within(wasm, deadline)
        if is_component(data):
            return _verify_component(data, output, options, calls, recorded, deadline, observer, started)
        module = parse_within(data, deadline)
        with of_output():
            other = parse_within(output, deadline)
            deadline.start(lambda: other.bodies).result()  # raises where code is malformed
    try:
        facts = _verify(module, other, options, calls, recorded, deadline, observer)
        if recorded and recorded.output_sha256 != other.sha256:
            expected = f"{recorded.output_sha256}, says the report"
            raise Mismatch((Discrepancy("file", "SHA-256 of the output", expected, other.sha256),))
    except Mismatch as problem:
        problem.hint = _advice(module, other, options, recorded) or problem.hint
        raise
    return dataclasses.replace(facts, seconds=time.monotonic() - started)


def _verify_component(
    data: bytes,
    output: Wasm,
    options: Options,
    calls: Calls,
    recorded: Recorded | None,
    deadline: Deadline,
    observer: Observer,
    started: float,
) -> Verification:
    from .component import check_world, verify_component

    check_world(calls.host is not None)
    with of_output():
        other = read_within(output, deadline)
        if not is_component(other):
            raise InputError("the input is a component, and the output is none", hint="Give the output of this input.")
    wanted = (calls.calls, calls.every, calls.seed, calls.run, calls.timeout)
    given = (data, other, options, *wanted, recorded, deadline, observer)
    return dataclasses.replace(verify_component(*given), seconds=time.monotonic() - started)


def check_repeatable(options: Options) -> None:
    """Raises `UsageError` where running the initializer again could do harm."""
    if options.host.writable and options.host.dirs:
        raise UsageError(
            "a verification runs the initializer again, and it may write files each time",
            hint="Build and verify without `--writable`.",
        )


def _verify(
    module: Module,
    output: Module,
    options: Options,
    calls: Calls,
    recorded: Recorded | None,
    deadline: Deadline,
    observer: Observer,
) -> Verification:
    with observer.stage("compare"):
        _check_order(module, output)
        if recorded:
            recorded.check_input(module)
        check_supported(module, options)
        chosen = choose(module, options)
        pause = find_pause(module, options.pause) if options.pause else None
        exports = output_exports(module, [] if pause else chosen, options)
        own = entries(module, options)
        known_later = bool(options.wants_late or pause)
        more = bool(own or known_later)
        raise_any(structure(module, output, None if known_later else exports, options.imports, more))
        appended = [FRAMES] * bool(pause) + [LATE] * options.says_late
        raise_any(customs(module, output, appended, [LATE] * bool(chosen)))
        with of_output():
            to_make = list(calls.of(output))
    preloads, preload_code = read_preloads(module, options)
    if recorded:
        recorded.check_preloads(preloads)
    others = [] if options.imports == "define" else list(guards(module, preloads, dict(options.import_globals)))
    stack = find_stack(module) if options.scrub_stack else None
    goes_on = bool(to_make or others)
    given = (preloads, preload_code, deadline, exports, stack, goes_on)
    rooms = rooms_of(module, options)
    job = Job(module, tuple(chosen), options, *given, entries=own, pause=pause, rooms=rooms)
    both = run_both(job, output, observer)
    if recorded:
        recorded.check_files(both.paused.host.files)
    with observer.stage("call"):
        raise_any(takes_other_values(both.output_job, both.resumed, iter(others)))
        made = tuple(_make(both, to_make, calls))
    runs = tuple(run.function for run in both.paused.runs)
    return Verification(VERIFICATION_VERSION, VERSION, module.sha256, output.sha256, runs, both.compared, made, 0.0)


def _make(both: Both, to_make: Sequence[Call], calls: Calls) -> Iterator[CallFacts]:
    """Makes the calls in both. Raises `Mismatch`."""
    sources = renamed(both.job.module, both.job.options)
    made = {entry.name: (entry.call, raw) for entry, raw in zip(both.job.entries, both.paused.given, strict=True)}
    constant = {sources.get(name, name): raw for name, raw in both.constant.items()}
    one = Side(both.job, both.paused, constant)
    other = Side(both.output_job, both.resumed)
    host = calls.host or both.job.host
    whole = _from_beginning(both, to_make, sources)
    if whole and calls.host is None:
        host = dataclasses.replace(host, stdin=host.stdin[len(whole.read) :])
    present = {name for name, _, _ in both.job.exports}
    with ExitStack() as open_:
        if whole:
            open_.callback(whole.close)
        for wanted, (world, said) in product(to_make, tuple(calls.worlds(host))):
            if both.job.options.wants_late and wanted.name not in present:
                continue  # an entry that only fetches what is late: the input has none
            call = wanted._replace(text=wanted.text + said)
            inner, name = _in_input(call, made, sources)
            beginning = whole if whole and name == whole.name else None
            with ExitStack() as stack:
                stack.callback(beginning.end_call if beginning else one.close)
                stack.callback(other.close)
                if beginning:
                    a = beginning.call(inner, world, calls.timeout)
                else:
                    a = one.call(inner, name, world, calls.timeout)
                if call.name in made and a.code == "returned":
                    a = a._replace(detail="returns", results=())  # the output's function takes them, returns nothing
                b = other.call(call, call.name, world, calls.timeout)
                memories = not both.job.options.wants_late and not beginning
                raise_any(differences(both.comparison, call, a, b, memories))
                stopped = next((outcome for outcome in (a, b) if outcome.code == STOPPED), a)
                yield CallFacts(call.text, stopped.code, stopped.detail)
                del a, b, stopped


def _from_beginning(both: Both, to_make: Sequence[Call], sources: Mapping[str, str]) -> Beginning | None:
    """The input of a program that was paused, where the call that goes on is to be made."""
    pausing = both.paused.pausing
    if pausing is None:
        return None
    paused = both.job.calls[pausing.run]
    if any(not isinstance(value, bytes) for value in paused.values):
        return None
    names = {sources.get(call.name, call.name) for call in to_make}
    return Beginning(both.job, both.paused) if paused.name in names else None


def _in_input(
    call: Call, made: Mapping[str, tuple[Planned, Sequence[bytes]]], sources: Mapping[str, str]
) -> tuple[Call, str]:
    """The same call of the input, and the export's name there. `made`: functions of the output that do another call."""
    if call.name not in made:
        return call, sources.get(call.name, call.name)
    planned, raw = made[call.name]
    return call._replace(type=planned.type, raw=tuple(raw)), planned.name


def _check_order(module: Module, output: Module) -> None:
    """Raises `UsageError` where input and output seem to be swapped: the build says in the output that it wrote it."""
    if _is_ours(module) and not _is_ours(output):
        raise UsageError(
            "the input was written by preinit, the output was not: they seem to be swapped",
            hint="Name the input first, then the output: preinit verify IN OUT.",
        )


def _is_ours(module: Module) -> bool:
    """Whether the producers section names preinit."""
    section = module.custom("producers")
    if section is None:
        return False
    at = Cursor(module.data, section.content, section.end, "producers section")
    try:
        for _ in range(at.count(2)):
            at.name()
            if any([at.name() == "preinit", at.name()][0] for _ in range(at.count(2))):
                return True
    except InputError:
        pass
    return False


def _advice(module: Module, output: Module, options: Options, recorded: Recorded | None) -> str | None:
    """Why they may differ, other than by a fault."""
    if module.data == output.data:
        return "Input and output hold the same bytes: give the module that `preinit build` wrote as the output."
    if "host" in (options.host.clock, options.host.random):
        return "The initializer saw the host's clock or random numbers, so each run differs: build without them."
    if recorded and recorded.output_sha256 != output.sha256:
        return "The output is not the file that the build wrote (its SHA-256 is another one): build again."
    if recorded:
        return (
            "The output is what the build wrote, so the initializer does something else now: does it see another world?"
        )
    return None
