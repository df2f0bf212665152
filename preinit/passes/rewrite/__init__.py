"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..late import Late
from ..observer import Observer
from ..plan.exports import no_ops
from ..plan.job import Job
from ..run import Paused
from ..snapshot import Snapshot
from .appended import has_more
from .entries import entry_functions
from .late import late_functions, says_late, section
from .layout import Run
from .memories import memory_runs
from .module import Rewritten, variants, write_module
from .plan import Added, Export, NoOp, Plan, make_plan
from .scrub import scrub

__all__ = ["Plan", "Rewritten", "Run", "has_more", "make_plan", "memory_runs", "rewrite", "scrub", "write_module"]


def rewrite(job: Job, snapshot: Snapshot, paused: Paused, late: Late | None, observer: Observer) -> Iterator[Rewritten]:
    """The ways to write the output, best first; each is only written when it is asked for.

    `paused`: what its calls returned, and what entries are given. `late`: what the output fetches when it starts, for
    which the `snapshot` has room. Raises `OutputTooLarge`, `TimeLimit`.
    """
    module, deadline = job.module, job.deadline
    plan = make_plan(job.owners, job.options.layout, *functions_and_exports(job, paused, late))
    host = job.options.host
    if says_late(job.options):
        folders = [*(guest for _, guest in host.dirs), *(guest for guest, _ in host.late_folders)]
        plan = plan._replace(customs=(section(late, folders if host.late_dirs else ()),))
    runs: list[Run] | None = None
    for variant in variants(module, snapshot, plan):
        deadline.check_time()
        with observer.stage("rewrite"):
            if runs is None:
                runs = deadline.start(partial(memory_runs, module, snapshot, plan.memories)).result()
            output = deadline.start(partial(write_module, module, snapshot, variant, runs)).result()
        yield output


def functions_and_exports(
    job: Job, paused: Paused, late: Late | None
) -> tuple[tuple[Export, ...], tuple[NoOp, ...], tuple[Added, ...]]:
    """The output's exports, and the functions that it has behind the module's own."""
    module = job.module
    noops = no_ops(module, job.calls, paused.returned, job.options)
    made = entry_functions(module, job.entries, paused.given)
    if late is None:
        return job.exports, noops, made
    fetching, exports = late_functions(module, late, job.exports, noops, made)
    return exports, noops, (*made, *fetching)
