"""One attempt to run a guest up to the end of its initializer, compiled in one way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ...engine.guest import Instance
from ...engine.ondemand.suitability import validated_beside, validated_first, worthwhile
from ...engine.runtime import EngineSettings, Pending
from ...engine.values import Unsuited
from ...errors import PreinitError, TimeLimit, UnsupportedProposal, counted, quoted
from ...host.world import memory_of
from ...tuples import NamedTuple
from ..instrument import Instrumented
from ..observer import Observer
from ..plan.job import Job
from .calls import Caller
from .endings import Endings
from .kept import Kept
from .observed import Observed, observe_before
from .paused import Paused
from .results import numeric_results
from .strategies import Strategy

if TYPE_CHECKING:
    from ...engine.whole import CompiledGuest
    from ...host.world import World
    from ...result import EngineFacts
    from .paused import Guest
    from .pausing import Pausing


#: Gives the validation of the input, which goes on beside other work.
Check = Callable[[], Pending[None]]


class Attempt(NamedTuple):
    """`world`: what the guest sees of it; whoever made it closes it where the attempt fails.

    `check`: validates the input; None where that is not asked for. `pausing`: where the guest is paused, and how; None
    for the end of the last call.
    """

    job: Job
    strategy: Strategy
    world: World
    observer: Observer
    kept: Kept
    check: Check | None = None
    pausing: Pausing | None = None

    def run(self) -> Paused:
        """Compiles the guest, unless that is done, and runs it in a fresh instance. Raises what these raise."""
        store = self.kept.store
        checks: list[Pending[None]] = []
        with store.running():
            guest, instrumented = self.kept.get(self.job, self.strategy, lambda: self._compile(checks))
            self._check_before_run(checks)
        with store.running():  # of more, if it was compiled as a whole
            running = self.job.deadline.start(lambda: self.run_compiled(guest, instrumented))
            running.wait_beside(checks)  # a guest of what is not valid may never end
            try:
                paused = running.result()
            except TimeLimit:
                self._wait([started for started in checks if started.ended])
                raise
            except (PreinitError, Unsuited):
                self._wait(checks)  # what is not valid may be why
                raise
        try:
            self._wait(checks)
        except BaseException:
            paused.instance.close()
            raise
        return paused

    def _check_before_run(self, checks: list[Pending[None]]) -> None:
        """Most code on demand is never compiled: validating it may take as long as the rest, and goes on beside it. But
        some modules are `validated_first`.

        What was kept of an earlier build may be of a module that is not valid.
        """
        if self.check and self.strategy.engine == "ondemand":
            if validated_first(self.job.module):
                self._wait([self.check()])
            elif validated_beside(self.job.module) and not checks:
                checks.append(self.check())

    def _wait(self, checks: list[Pending[None]]) -> None:
        """Raises what validating the module raises."""
        for checked in checks:
            with self.observer.stage("check"):
                checked.result()

    def _compile(self, checks: list[Pending[None]]) -> tuple[Guest, Instrumented]:
        """`checks`: gets what goes on beside the guest, and is to be waited for."""
        return self._compile_whole() if self.strategy.engine == "whole" else self._compile_on_demand(checks)

    def _compile_whole(self) -> tuple[Guest, Instrumented]:
        from ...engine.whole import compile_guest
        from ..instrument import instrument

        job, deadline = self.job, self.job.deadline
        self._check_input()
        with self.observer.stage("instrument"):
            code, instrumented = deadline.start(lambda: instrument(job.module, job.bounds)).result()
            instrumented = self._trimmed(instrumented)
        deadline.check_time()
        with self.observer.stage("compile"):
            settings = self._settings()._replace(cache=self.kept.store.code)
            guest = deadline.start(lambda: compile_guest(code, settings, job.preload_code)).result()
        _check_watched(guest)
        return guest, instrumented

    def _compile_on_demand(self, checks: list[Pending[None]]) -> tuple[Guest, Instrumented]:
        from ...engine.ondemand.exceptions import can_do_without
        from ...engine.ondemand.instance import OnDemandGuest
        from ...engine.ondemand.prepared import prepare
        from ..instrument import instrument_state

        job, deadline = self.job, self.job.deadline
        if self.check and (job.module.tags or validated_beside(job.module)):
            checks.append(self.check())
        with self.observer.stage("instrument"):
            without = self.strategy.compiler == "winch" and can_do_without(job.module) and not job.preload_code
            state, instrumented = deadline.start(lambda: instrument_state(job.module, job.bounds, not without)).result()
            instrumented = self._trimmed(instrumented)
        deadline.check_time()
        with self.observer.stage("compile"):
            # What runs again needs not be compiled again.
            keeps = self.kept.store.keeps or self.kept.runs_again or job.options.audit or job.goes_on or self.pausing
            settings, profile = self._settings(), self.strategy.profile
            known, code, engines = bool(keeps), job.preload_code, self.kept.engines
            prepared = deadline.start(lambda: prepare(state, settings, code, known, profile, engines)).result()
        prepared = prepared._replace(expected=self.kept.expected)
        self._wait([started for started in checks if started.ended])
        return OnDemandGuest(prepared), instrumented

    def _trimmed(self, instrumented: Instrumented) -> Instrumented:
        return self.pausing.watched.trim(instrumented) if self.pausing else instrumented

    def _check_input(self) -> None:
        """Refuses what the engine would refuse, in a hundredth of the time that compiling takes. Raises the same.

        Of a small module, compiling tells it as soon: it would only be validated twice.
        """
        if worthwhile(self.job.module) and self.check:
            self._wait([self.check()])

    def _settings(self) -> EngineSettings:
        return EngineSettings(self.strategy.compiler, None, self.job.interruptible, self.job.shares_memory)

    def run_compiled(self, guest: Guest, instrumented: Instrumented) -> Paused:
        """Runs the start function and the initializers in a fresh instance. Needs a deep stack."""
        with self.observer.stage("instantiate"):
            instance = guest.instantiate(self.job.options.max_memory, self.world.link, self.world.deadline)
            try:
                memory = self._bind_memory(instrumented, instance)
                self.world.bind_guest(instance)
                before = observe_before(self.job.module, instrumented, instance)
                if self.pausing:
                    self.pausing.attend(instrumented, instance)
            except BaseException:
                instance.close()
                raise
        try:
            return self._call(guest, instrumented, instance, memory, before)
        except BaseException:
            instance.close()  # the next run may need as much memory, and whoever keeps the error must not keep this
            raise

    def _call(
        self, guest: Guest, instrumented: Instrumented, instance: Instance, memory: str | None, before: Observed
    ) -> Paused:
        from ...result import RunFacts

        job, observer = self.job, self.observer
        if self.strategy.engine == "ondemand":
            observer.compiled = instance.compiled
        endings = Endings(job, instance, instrumented, self.world)
        runs: list[RunFacts] = []
        returned: list[list[bytes]] = []
        perform = Caller(instance, memory)
        start = instrumented.start
        if start:
            with observer.stage("run", "start function"):
                if self.pausing:
                    self._until_pause(lambda: instance.call(start, (), 0), -1)
                exited = False if self.pausing else endings.run_start(start)
            runs.append(RunFacts("start function", (), (), observer.last, exited, endings.assumed))
        for number, call in enumerate(job.calls):
            if self.pausing and self.pausing.reached:
                break
            with observer.stage("run", quoted(call.name)):
                if self.pausing:
                    results, exited = self._until_pause(partial(perform, call), number), False
                else:
                    results, exited = endings.run(call, perform)
            if results is None or (self.pausing and self.pausing.reached):
                runs.append(RunFacts(call.name, call.arguments, (), observer.last))
                continue
            returned.append(results)
            numbers = () if exited else numeric_results(call, results)
            runs.append(RunFacts(call.name, call.arguments, numbers, observer.last, exited, endings.assumed))
        if self.pausing and not self.pausing.reached:
            raise self.pausing.never("returned" if job.calls else "ended its start function")
        if self.pausing:
            self.pausing.settle(instrumented, instance)
        given = tuple(perform.arguments(entry.call) for entry in job.entries)
        with observer.stage("settle"):
            host = self.world.settle(instance.original_functions)
        return Paused(
            instance=instance,
            instrumented=instrumented,
            before=before,
            runs=tuple(runs),
            returned=tuple(returned),
            given=given,
            world=self.world,
            host=host,
            engine=self._engine_facts(guest, instance),
            profile=instance.profile(),
            guest=guest,
            process_ends=job.options.process_ends,
            pausing=self.pausing,
        )

    def _until_pause(self, run: Callable[[], list[bytes]], number: int) -> list[bytes] | None:
        """Does call `number`; its results, none where the first run was paused in it."""
        from .pausing import Stopped

        assert self.pausing is not None
        self.pausing.run = number
        try:
            return run()
        except Stopped:
            return None
        except PreinitError as problem:
            raise self.pausing.explained(problem) from problem

    def _bind_memory(self, instrumented: Instrumented, instance: Instance) -> str | None:
        """Tells the world where the guest's memory is. What the copy that runs calls it."""
        index = memory_of(self.job.module)
        if index is None:
            return None
        name = instrumented.memories[index]
        self.world.bind(lambda: instance.memory(name))
        return name

    def _engine_facts(self, guest: Guest, instance: Instance) -> EngineFacts:
        from ...result import EngineFacts

        functions = len(self.job.module.bodies)
        compiled, reused = instance.compiled(), instance.reused()
        parts = f" in {counted(compiled[2], 'part')}, {reused:,} of them from the cache"
        self.observer.note(
            f"{guest.compiler}: {compiled[0]:,} of {counted(functions, 'function')} compiled, "
            f"{counted(compiled[1], 'byte')} of code" + (parts if self.strategy.engine == "ondemand" else "")
        )
        strategy, store = self.strategy, self.kept.store
        return EngineFacts(
            strategy.engine,
            guest.compiler,
            strategy.reason.text,
            functions,
            *compiled,
            reused,
            store.problem,
            store.distrusted,
            strategy.reason.code,
        )


def _check_watched(compiled: CompiledGuest) -> None:
    """Refuses a valid module where growth can't be watched. Raises `UnsupportedProposal`."""
    offset = compiled.code.unknown_instruction
    if offset is not None:
        raise UnsupportedProposal(
            "an instruction is not known, and a memory may grow after it without being watched",
            where=f"byte offset {offset:#x}",
        )
