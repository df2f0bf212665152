"""Running a guest, compiled in the way that suits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...engine.values import Unsuited
from ...errors import InitializerFailed, LateBinding, TimeLimit, counted
from ...errors.reason import Reason
from ...options.accepted import watched
from ...records import replaced
from ..observer import Observer
from ..plan.job import Job
from ..plan.pause import Pause
from .attempt import Attempt, Check
from .kept import Kept, KeptInFolder
from .paused import Paused
from .rooms import NoRoom, as_told, check_room, without_room
from .strategies import ASKED_FOR, Strategy

if TYPE_CHECKING:
    from ...host.wasi1.process import Clock
    from ...host.world import World
    from ..instrument.frames import Watched
    from .pausing import Pausing


def run_guest(job: Job, observer: Observer, kept: Kept | None = None, check: Check | None = None) -> Paused:
    """Compiles the guest and runs it in a fresh instance: `with run_guest(...) as paused:`.

    `kept`: what is known from other builds of the module, and is to be kept. `check`: see `attempt.Check`. Raises what
    that, compiling and running raise.
    """
    if job.pause is not None:
        return _run_to_pause(job, job.pause, observer, kept, check)
    return _run(job, observer, kept or KeptInFolder(job), check)


def _run_to_pause(job: Job, pause: Pause, observer: Observer, kept: Kept | None, check: Check | None) -> Paused:
    """The same up to a pause: see `pausing`. Raises `PauseRefused`, `PauseDiffers` and `NeverPaused`, too.

    Where instances bring their own environment, the first run is one in a larger environment: what holds its address
    there is known then, too. What depends on its size besides shows, and then both are in the same. Where only the run
    fails that makes room for what instances bring, there is no room: memory may be short.
    """
    paused_once = False
    if "env" in job.options.wants_late:

        def came_by() -> None:
            nonlocal paused_once
            paused_once = True

        try:
            return _run_twice(job, pause, observer, kept, check, job.in_larger_world(0), came_by)
        except TimeLimit:
            raise
        except InitializerFailed as problem:
            observer.note(f"starting again, in the same environment: {problem.what}")
    try:
        return _run_twice(job, pause, observer, kept, check)
    except TimeLimit:
        raise
    except InitializerFailed as problem:
        if not (paused_once and any(job.rooms)):
            raise
        observer.note(f"starting again, without room for what instances bring: {problem.what}")
    return _run_twice(job._replace(rooms=(0, 0)), pause, observer, kept, check)


def _run_twice(
    job: Job,
    pause: Pause,
    observer: Observer,
    kept: Kept | None,
    check: Check | None,
    other: Job | None = None,
    came_by: Callable[[], None] = lambda: None,
) -> Paused:
    """`other`: the same in the world of the first run, if it is another one; `came_by` is called when that one has come
    to the pause."""
    from ..instrument.frames import watch
    from .pausing import checked_stack
    from .unwinding import KeptForUnwinding, compare

    def copied(job: Job, stack: tuple[int, ...]) -> tuple[Job, Watched]:
        with observer.stage("instrument"):
            number = pause.point.number if pause.function is not None else 0
            made = job.deadline.start(lambda: watch(job.module, stack, pause.function, number)).result()
        return _for_copy(job, made), made

    first_job, first_copy = copied(other or job, ())
    first_kept = kept or KeptInFolder(first_job)
    first = _run(first_job, observer, first_kept, check, (pause, first_copy, False))
    try:
        assert first.pausing is not None
        stack = checked_stack(first.pausing)
        came_by()
        observer.note(f"paused with {counted(len(stack), 'active function')}")
        second_job, second_copy = copied(job if other else as_told(job, first), stack)
        again = KeptForUnwinding(second_job, first, stack)
        printed = 0 if other else first.world.printed
        second = _run(second_job, observer, again, None, (pause, second_copy, True), printed)
        second = second._replace(other=first if other else None)
        try:
            compare(first, second)
        except BaseException:
            second.close()
            raise
    except BaseException:
        first.close()
        raise
    if other is None:
        first.close()
    return second


def _for_copy(job: Job, copy: Watched) -> Job:
    """The job of running a copy that is watched: it has a memory more, which does not count."""
    room = sum(memory.minimum * memory.page_size for memory in copy.module.memories[len(job.module.memories) :])
    options = replaced(job.options, max_memory=job.options.max_memory + room)
    return job._replace(module=copy.module, options=options)


def _run(
    job: Job,
    observer: Observer,
    kept: Kept,
    check: Check | None = None,
    pausing: tuple[Pause, Watched, bool] | None = None,
    printed: int = 0,
) -> Paused:
    """`pausing`: where, in which copy, whether it is unwound then. `printed`: bytes that an earlier run has printed.

    A guest that makes no room when it is told of a larger environment runs again, and is told what is true. Raises
    `LateBinding` where it can't.
    """
    while True:
        try:
            return _run_with_room(job, observer, kept, check, pausing, printed)
        except NoRoom as found:
            job = without_room(job, found.calls)
        reason = job.options.host.irreversible
        if reason:
            raise LateBinding(
                "the guest makes no room for a larger environment, or larger arguments, so it would have to run again, "
                f"and {reason}",
                hint="Leave out one of both, that or `--late`.",
            )
        # What it printed may be about that size: it prints again.
        observer.note("starting again: the guest makes no room for as much as it was told that it has")


def _run_with_room(
    job: Job,
    observer: Observer,
    kept: Kept,
    check: Check | None,
    pausing: tuple[Pause, Watched, bool] | None,
    printed: int,
) -> Paused:
    """The same; raises `NoRoom` where the guest has to run again."""
    with observer.stage("choose"):
        following = iter(list(kept.strategies(job)))
    folder = kept.store.folder
    observer.note(f"compiled code is kept in {folder}" if folder else "compiled code is not kept")
    tried: Strategy | None = None
    problem: Unsuited | None = None
    for strategy in following:
        if problem is not None and tried is not None:
            if not strategy.suits(problem):
                continue
            strategy = strategy.after(problem)
            kept.unsuited(job, tried, problem, strategy)
        observer.note(f"starting again, {strategy}" if problem else str(strategy))
        world = _world(job, printed, pausing[0] if pausing else None)
        try:
            until = _until(pausing, world)
            paused = Attempt(job, strategy, world, observer, kept, check, until).run()
        except Unsuited as found:
            # Nothing of that run is left but what it printed: the next one prints the same, and what comes after it.
            found.with_traceback(None).__cause__ = found.__context__ = None  # they hold the instance
            tried, problem = strategy, found
            observer.compiled = None
            printed = max(printed, world.printed)
            world.close()
        except BaseException as failure:
            world.close()
            if isinstance(failure, InitializerFailed):
                check_room(job.module, world)
            raise
        else:
            try:
                check_room(job.module, world)
            except NoRoom:
                paused.close()
                raise
            with observer.stage("profile"):
                return paused._replace(keeping=kept.update(job, strategy, paused))
    raise AssertionError("the last strategy suits every module") from problem


def _until(pausing: tuple[Pause, Watched, bool] | None, world: World) -> Pausing | None:
    if pausing is None or world.watch is None:
        return None
    from .pausing import Pausing

    return Pausing(*pausing[:2], world.watch, pausing[2])


def run_again(job: Job, first: Paused, clock: Clock) -> Paused:
    """Runs the initializer in a fresh instance and in another world, with what `first` has compiled.

    `job`: the same in that world. Raises what running raises.
    """
    job = as_told(job, first)
    pausing = first.pausing
    if pausing is not None:
        job = _for_copy(job, pausing.watched)
    world = _world(job, 0, pausing.pause if pausing else None)
    world.set_clock(clock)
    strategy = Strategy(first.engine.name, first.engine.compiler, Reason(first.engine.reason_code, first.engine.reason))
    until = pausing and pausing.in_world(world.watch)
    attempt = Attempt(job, strategy, world, Observer(), KeptInFolder(job), None, until)
    guest = first.guest.knowing(first.profile)
    try:
        return job.deadline.start(lambda: attempt.run_compiled(guest, first.instrumented)).result()
    except Unsuited:  # it does what the first run did not do
        world.close()
    except BaseException:
        world.close()
        raise
    return run_whole(job, clock, pausing)


def run_whole(job: Job, clock: Clock | None = None, pausing: Pausing | None = None) -> Paused:
    """The same, compiled as a whole: for a guest that turned out not to be suited for another strategy.

    `pausing`: that of an earlier run, of the same copy.
    """
    world = _world(job, 0, pausing.pause if pausing else None)
    if clock:
        world.set_clock(clock)
    try:
        strategy = Strategy("whole", job.options.compiler, ASKED_FOR)
        until = pausing and pausing.in_world(world.watch)
        return Attempt(job, strategy, world, Observer(), KeptInFolder(job), None, until).run()
    except BaseException:
        world.close()
        raise


def _world(job: Job, printed: int, pause: Pause | None = None) -> World:
    from ...host.world import World

    options = job.options
    values = dict(options.import_globals)
    fresh = options.imports == "keep"
    given = (values, job.preloads, fresh, printed, options.stubs, job.resumes)
    watch = None
    if pause:
        from ...host.pausing import Watch

        watch = Watch(pause.point, pause.imports)
    more = (watched(options.accept), dict(options.host.functions))
    world = World(job.module, job.host, job.deadline, *given, *more, watch, options.replay_output)
    world.make_room(job.rooms, job.honest)
    if not options.digest_files:
        world.leave_out_digests()
    return world
