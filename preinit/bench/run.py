"""Measuring both modules in turn."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..engine.runtime import Deadline
from ..errors import UsageError
from ..options import Options
from ..options.fields import given
from ..options.words import for_python
from ..passes.observer import Listener, Observer
from ..passes.parse.source import Wasm, binary
from ..records import replaced
from .limits import LEAST_ROUNDS, MOST_ALIVE, MOST_IN_A_ROW, MOST_MEMORY, SHARE
from .model import Bench, MemoryPerCopy, Side, Times
from .sizes import sizes
from .subject import Subject, about, are_components, hermetic, subjects

if TYPE_CHECKING:
    from typing import Unpack

    from ..options.fields import Fields

RUNTIMES = ("wasmtime", "node")


class Named(Protocol):
    """What is measured."""

    @property
    def name(self) -> str: ...


class Runner(Protocol):
    """A compiled module."""

    compile_seconds: float

    def start(self) -> tuple[float, Callable[[], float]]:
        """Starts a copy. Seconds that it took, and what frees the copy and tells how long that took."""


def measure(
    original: Wasm,
    output: Wasm,
    options: Options | None = None,
    *,
    runtime: str = "wasmtime",
    rounds: int = 21,
    seconds: float = 10.0,
    calls: Sequence[str] = (),
    progress: Listener | None = None,
    **fields: Unpack[Fields],
) -> Bench:
    """Measures instantiating and initializing `original` against instantiating `output`, in turn.

    Parameters
    ----------
    original, output: bytes of a module, binary or text, or the path of a file that holds them.
    options: what the build of the output was given: which initializer, what the guest sees; instead, fields by name.
        What the guest prints is dropped. `compiler`: the engine's compiler, "auto" for its default.
    runtime: one of `RUNTIMES`.
    rounds: how many times each of them is started.
    seconds: after that long, the rounds end, but never before there are 3 of them.
    calls: exports to call in both, as initializers are named: then it is the time up to their answer.
    progress: called with each `Event`: a stage begins or ends.

    Imports are provided as in a build, before the time is taken. Raises a `PreinitError`: a module can't be read,
    compiled or started; `UsageError`; `ToolMissing`: the runtime is not there.
    """
    with for_python():
        return measure_modules(
            original,
            output,
            given(options, fields),
            runtime=runtime,
            rounds=rounds,
            seconds=seconds,
            calls=calls,
            observer=Observer(progress),
        )


def measure_modules(
    original: Wasm,
    output: Wasm,
    options: Options,
    *,
    runtime: str,
    rounds: int,
    seconds: float,
    calls: Sequence[str],
    observer: Observer,
) -> Bench:
    """The same, for who reads messages in the words of the command line."""
    options = hermetic(options)
    if runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {runtime!r} to measure with", hint=f"One of {', '.join(RUNTIMES)}.")
    if rounds < LEAST_ROUNDS or not seconds > 0:
        raise UsageError(f"at least {LEAST_ROUNDS} rounds and more than 0 seconds are needed to measure anything")
    deadline = Deadline(options.timeout, grace=not options.process_ends, what="the measurement")
    if are_components(binary(original), binary(output)):
        if runtime != "wasmtime":
            raise UsageError("components are measured in wasmtime only", hint="Leave out `--runtime`.")
        work = partial(_measure_components, original, output, options, rounds, seconds, calls, observer, deadline)
        return deadline.start(work).result()
    with observer.stage("reading the modules"):
        pair = deadline.start(lambda: subjects(original, output, options, calls)).result()
    if runtime == "node":
        from .node import measure_in_node

        return measure_in_node(pair, options, rounds, seconds, observer, deadline)
    return deadline.start(lambda: _measure_in_wasmtime(pair, options, rounds, seconds, observer, deadline)).result()


def _measure_in_wasmtime(
    pair: tuple[Subject, Subject], options: Options, rounds: int, seconds: float, observer: Observer, deadline: Deadline
) -> Bench:
    from .copies import Copies, Engine, engine_name

    shared, runners = Engine(options, deadline), []
    for subject in pair:
        with observer.stage(f"compiling the {subject.name}"), about(subject.name):
            runners.append(Copies(shared, subject, options, deadline))
    collecting = gc.isenabled()
    gc.disable()  # it would strike one of the two at random
    try:
        times = _rounds(pair, runners, rounds, seconds, observer, deadline)
        rates = [_rate(subject, runner, seconds, observer) for subject, runner in zip(pair, runners, strict=True)]
        memories = [_alive(subject, runner, seconds, observer) for subject, runner in zip(pair, runners, strict=True)]
    finally:
        if collecting:
            gc.enable()
    sides = []
    for subject, runner, (start, stop), rate, memory in zip(pair, runners, times, rates, memories, strict=True):
        with observer.stage(f"compressing the {subject.name}"):
            size = sizes(subject.module.data)
        sides.append(Side(size, subject.functions, runner.compile_seconds, start, stop, rate, memory))
    return Bench(engine_name(), shared.compiler, *sides)


def _measure_components(
    original: Wasm,
    output: Wasm,
    options: Options,
    rounds: int,
    seconds: float,
    calls: Sequence[str],
    observer: Observer,
    deadline: Deadline,
) -> Bench:
    from .component import ComponentCopies, component_engine, component_subject
    from .copies import engine_name

    pair, runners = [], []
    with observer.stage("reading the components"):
        for name, wasm, init_funcs in (("original", original, options.init_funcs), ("output", output, ())):
            with about(name):
                given = replaced(options, init_funcs=init_funcs)
                pair.append(component_subject(name, binary(wasm), given, calls, deadline))
    engine, compiler = component_engine(options, deadline)
    for subject in pair:
        with observer.stage(f"compiling the {subject.name}"), about(subject.name):
            runners.append(ComponentCopies(engine, subject, options.host, deadline))
    collecting = gc.isenabled()
    gc.disable()
    try:
        times = _rounds(pair, runners, rounds, seconds, observer, deadline)
        rates = [_rate(subject, runner, seconds, observer) for subject, runner in zip(pair, runners, strict=True)]
        memories = [_alive(subject, runner, seconds, observer) for subject, runner in zip(pair, runners, strict=True)]
    finally:
        if collecting:
            gc.enable()
    sides = [
        Side(sizes(subject.data), subject.functions, runner.compile_seconds, start, stop, rate, memory)
        for subject, runner, (start, stop), rate, memory in zip(pair, runners, times, rates, memories, strict=True)
    ]
    return Bench(engine_name(), compiler, *sides)


def _rounds(
    pair: Sequence[Named],
    runners: Sequence[Runner],
    rounds: int,
    seconds: float,
    observer: Observer,
    deadline: Deadline,
) -> list[tuple[Times, Times]]:
    """Times of starting and freeing each, after one round that is not counted: it finds nothing in caches."""
    starts: list[list[float]] = [[] for _ in pair]
    stops: list[list[float]] = [[] for _ in pair]

    def turn() -> None:
        for subject, runner, start, stop in zip(pair, runners, starts, stops, strict=True):
            deadline.check_time()
            with about(subject.name):
                took, free = runner.start()
            start.append(took)
            stop.append(free())

    with observer.stage("warming up"):
        turn()
    for times in (*starts, *stops):
        times.clear()
    with observer.stage("measuring"):
        began = time.perf_counter()
        for number in range(rounds):
            if number >= LEAST_ROUNDS and time.perf_counter() - began > seconds:
                break
            observer.now = f"measuring, round {number + 1} of {rounds}"
            turn()
    return [(Times(tuple(start)), Times(tuple(stop))) for start, stop in zip(starts, stops, strict=True)]


def _rate(subject: Named, runner: Runner, seconds: float, observer: Observer) -> float:
    """Copies per second, one after the other; what it takes to provide their imports is not counted."""
    began, spent, copies = time.perf_counter(), 0.0, 0
    with observer.stage(f"starting copies of the {subject.name}"):
        while not copies or (copies < MOST_IN_A_ROW and time.perf_counter() - began < seconds * SHARE):
            took, free = runner.start()
            spent += took + free()
            copies += 1
    return copies / spent


def _alive(subject: Named, runner: Runner, seconds: float, observer: Observer) -> MemoryPerCopy | None:
    """What each of some copies takes that are alive at the same time."""
    from .memory import usage

    free: list[Callable[[], float]] = []
    began = time.perf_counter()
    with observer.stage(f"keeping copies of the {subject.name} alive"):
        before = after = usage()
        try:
            while before and after and len(free) < MOST_ALIVE:
                free.append(runner.start()[1])
                after = usage()
                late = time.perf_counter() - began > seconds * SHARE
                if late or (after and after.resident - before.resident > MOST_MEMORY):
                    break
        finally:
            for release in free:
                release()
    if not (before and after):
        return None
    resident, proportional = (max(0, now - then) // len(free) for now, then in zip(after, before, strict=True))
    return MemoryPerCopy(len(free), resident, proportional)
