"""Calling exports of an output and of its input, each in fresh instances, and comparing what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from ..binary.types import NUMERIC_SIZES, ValType, is_numeric
from ..engine.guest import Instance
from ..engine.runtime import Deadline
from ..engine.values import Unsuited
from ..errors import Discrepancy, GuestExit, PreinitError, TimeLimit, UsageError
from ..host.wasi1.process import Clock
from ..host.world import Printed
from ..options import Host
from ..passes.plan.job import Job
from ..passes.run.guest import run_again, run_whole
from ..passes.run.paused import Paused
from ..passes.run.rooms import as_told
from ..tuples import NamedTuple
from .calls import Call, is_nan, show
from .state import Comparison, State, observe

#: Bytes of what a guest prints that are shown where it differs.
_SHOWN = 60

#: Outcome of a call that was stopped.
STOPPED = "time-limit"


class Outcome(NamedTuple):
    """How a call ended: `code` is "returned", "exit" or an error's code; `detail` in words; what it printed.

    `state`: of the instance afterwards; None where the call was stopped. `seconds` that it took.
    """

    code: str
    detail: str
    results: tuple[str, ...]
    output: bytes
    error: bytes
    state: State | None
    seconds: float


class Side:
    """The input or the output: fresh instances of it, paused where the first one was.

    `constant`: exports that do nothing -> what they return.
    """

    def __init__(self, job: Job, first: Paused, constant: Mapping[str, Sequence[bytes]] | None = None) -> None:
        self._job = job
        self._first = first
        self._constant = constant or {}
        self._open: Paused | None = None
        #: Standard input that is read so many times before a call's own.
        self.earlier = (b"", 0)

    def call(self, call: Call, name: str, host: Host, seconds: float) -> Outcome:
        """Calls the export `name` in a fresh instance; `close` before the next call: the state is a view of it."""
        paused = self._open = run_again(self._job, self._first, Clock())
        if paused.engine.name != self._first.engine.name:
            self._first = paused  # what the other way does not suit now, it will not in the next call
        try:
            return self._call(paused, call, name, host, seconds)
        except Unsuited:  # it turned out in this call, and will in the next
            self.close()
        paused = self._open = self._first = run_whole(as_told(self._job, self._first))
        return self._call(paused, call, name, host, seconds)

    def close(self) -> None:
        """Frees the instance of the last call."""
        if self._open:
            self._open.close()
        self._open = None

    def _call(self, paused: Paused, call: Call, name: str, host: Host, seconds: float) -> Outcome:
        zero_dead_stack(self._job, paused)
        left = self._job.deadline.remaining()
        deadline = Deadline(seconds if left is None else min(seconds, left))
        deadline.watch(paused.guest.engine)
        paused.instance.set_deadline(deadline)
        printed = paused.world.renew(host, deadline, self.earlier)
        types = call.type.results
        started = time.monotonic()
        code, detail, raw = "returned", "", self._constant.get(name)
        if raw is None:
            pending = deadline.start(lambda: paused.instance.call(name, call.raw, len(types)))
            try:
                raw = pending.result()
            except TimeLimit:
                self._job.deadline.check_time()
                if not pending.ended:
                    self._open = None  # somebody may still use it
                return Outcome(STOPPED, f"still runs after {seconds:g} s", (), *_printed(printed), None, seconds)
            except UsageError:
                raise
            except GuestExit as end:
                code, detail = "exit", f"exits with {end.status}"
            except PreinitError as problem:
                code, detail = problem.code, problem.what.replace("the initializer ", "")
        took = time.monotonic() - started
        module, instance = self._job.module, paused.instance
        results = tuple(_value(instance, *pair) for pair in zip(types, raw or (), strict=False))
        state = self._job.deadline.start(lambda: observe(module, paused)).result()
        return Outcome(code, detail or _returned(results), results, *_printed(printed), state, took)


def zero_dead_stack(job: Job, paused: Paused) -> None:
    """What `--scrub-stack` says of a state: below the stack pointer all is zero."""
    if job.stack:
        names, instance = paused.instrumented, paused.instance
        width = 8 if job.module.memories[0].is_64 else 4
        bits = instance.global_value(names.globals[job.stack.pointer], width).bits
        pointer = int.from_bytes(bits, "little")
        dead = instance.memory(names.memories[0])[: min(pointer, job.stack.top)]
        dead[:] = bytes(len(dead))


def _printed(printed: Printed) -> tuple[bytes, bytes]:
    return bytes(printed.output), bytes(printed.error)


def _returned(results: Sequence[str]) -> str:
    return f"returns {', '.join(results)}" if results else "returns"


def _value(instance: Instance, value_type: ValType, raw: bytes) -> str:
    """A result in words: one NaN is as good as another, a function is known by its index."""
    if is_numeric(value_type):
        bits = raw[: NUMERIC_SIZES[value_type]]
        return "nan" if is_nan(value_type, bits) else show(value_type, bits)
    if not any(raw[:8]):
        return "null"
    function = instance.resolve_function(raw[8:])
    return "a reference" if function is None else f"function {function}"


def differences(
    comparison: Comparison, call: Call, a: Outcome, b: Outcome, memories: bool = True
) -> Iterator[Discrepancy]:
    """Where the output's call ended otherwise than the input's. `memories`: what is in them is compared, too.

    Of a call that was stopped, nothing is known...
    """
    place = f"call {call.text}"
    if STOPPED in (a.code, b.code):
        returned = [outcome for outcome in (a, b) if outcome.code != STOPPED]
        stopped = [outcome for outcome in (a, b) if outcome.code == STOPPED]
        if returned and returned[0].seconds < stopped[0].seconds / 10:  # ... unless the other one ended long before
            yield Discrepancy("call", place, a.detail, b.detail)
        return
    if (a.code, a.detail) != (b.code, b.detail):
        yield Discrepancy("call", place, a.detail, b.detail)
    for stream, x, y in (("standard output", a.output, b.output), ("standard error", a.error, b.error)):
        if x != y:
            at = next((i for i, pair in enumerate(zip(x, y, strict=False)) if pair[0] != pair[1]), min(len(x), len(y)))
            shown = (repr(data[at : at + _SHOWN])[1:] if len(data) > at else "its end" for data in (x, y))
            yield Discrepancy("call", f"{place}, {stream}, byte {at:,}", *shown)
    if a.state and b.state:
        for found in comparison.states(a.state, b.state, memories):
            yield found._replace(place=f"after {place}: {found.place}")
