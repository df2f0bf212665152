"""Running a guest up to the end of its initializer, compiled in the way that suits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...engine.values import Unsuited
from ...errors.reason import Reason
from ...options import Host
from ...options.accepted import watched
from ..observer import Observer
from ..plan.job import Job
from .attempt import Attempt
from .kept import Kept, KeptInFolder, KeptInMemory
from .paused import Paused
from .strategies import ASKED_FOR, Strategy

if TYPE_CHECKING:
    from ...host import Clock, World

__all__ = ["KeptInMemory", "Paused", "run_again", "run_guest", "run_whole"]


def run_guest(
    job: Job, observer: Observer, kept: Kept | None = None, check: Callable[[bytes], None] | None = None
) -> Paused:
    """Compiles the guest and runs it in a fresh instance: `with run_guest(...) as paused:`.

    `kept`: what is known from other builds of the module, and is to be kept. `check`: validates a module, and is asked
    about the input before much of it is compiled. Raises what that, compiling and running raise.
    """
    with observer.stage("choose"):
        kept = kept or KeptInFolder(job)
        following = iter(list(kept.strategies(job)))
    folder = kept.store.folder
    observer.note(f"compiled code is kept in {folder}" if folder else "compiled code is not kept")
    printed = 0
    tried: Strategy | None = None
    problem: Unsuited | None = None
    for strategy in following:
        if problem is not None and tried is not None:
            if not strategy.suits(problem):
                continue
            strategy = strategy.after(problem)
            kept.unsuited(job, tried, problem, strategy)
        observer.note(f"starting again, {strategy}" if problem else str(strategy))
        world = _world(job, printed)
        try:
            paused = Attempt(job, strategy, world, observer, kept, check).run()
        except Unsuited as found:
            # Nothing of that run is left but what it printed: the next one prints the same, and what comes after it.
            found.with_traceback(None).__cause__ = found.__context__ = None  # they hold the instance
            tried, problem = strategy, found
            observer.compiled = None
            printed = max(printed, world.printed)
            world.close()
        except BaseException:
            world.close()
            raise
        else:
            with observer.stage("profile"):
                kept.update(job, strategy, paused)
            return paused
    raise AssertionError("the last strategy suits every module") from problem


def run_again(job: Job, first: Paused, host: Host, clock: Clock) -> Paused:
    """Runs the initializer in a fresh instance and in another world, with what `first` has compiled.

    Raises what running raises.
    """
    job = job.in_world(host)
    world = _world(job, 0)
    world.set_clock(clock)
    strategy = Strategy(first.engine.name, first.engine.compiler, Reason(first.engine.reason_code, first.engine.reason))
    attempt = Attempt(job, strategy, world, Observer(), KeptInFolder(job))
    guest = first.guest.knowing(first.profile)
    try:
        return job.deadline.start(lambda: attempt.run_compiled(guest, first.instrumented)).result()
    except Unsuited:  # it does what the first run did not do
        world.close()
    except BaseException:
        world.close()
        raise
    return run_whole(job, clock)


def run_whole(job: Job, clock: Clock | None = None) -> Paused:
    """The same, compiled as a whole: for a guest that turned out not to be suited for another strategy."""
    world = _world(job, 0)
    if clock:
        world.set_clock(clock)
    try:
        strategy = Strategy("whole", job.options.compiler, ASKED_FOR)
        return Attempt(job, strategy, world, Observer(), KeptInFolder(job)).run()
    except BaseException:
        world.close()
        raise


def _world(job: Job, printed: int) -> World:
    from ...host import World

    options = job.options
    values = dict(options.import_globals)
    fresh = options.imports == "keep"
    given = (values, job.preloads, fresh, printed, options.stubs, job.resumes, watched(options.accept))
    world = World(job.module, options.host, job.deadline, *given)
    if not options.digest_files:
        world.leave_out_digests()
    return world
