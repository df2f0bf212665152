"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..late import Late
from ..observer import Observer
from ..plan.exports import no_ops
from ..plan.job import Job
from ..snapshot import Snapshot
from .appended import has_more
from .late import added as functions_and_exports
from .late import section
from .layout import Run
from .memories import memory_runs
from .module import Rewritten, variants, write_module
from .plan import Plan, make_plan
from .scrub import scrub

__all__ = ["Plan", "Rewritten", "Run", "has_more", "make_plan", "memory_runs", "rewrite", "scrub", "write_module"]


def rewrite(
    job: Job, snapshot: Snapshot, returned: Sequence[Sequence[bytes]], late: Late | None, observer: Observer
) -> Iterator[Rewritten]:
    """The ways to write the output, best first; each is only written when it is asked for.

    `returned`: what the calls gave, for exports that do nothing any more. `late`: what the output fetches when it
    starts, for which the `snapshot` has room. Raises `OutputTooLarge`, `TimeLimit`.
    """
    module, deadline = job.module, job.deadline
    noops = no_ops(module, job.calls, returned, job.options)
    plan = make_plan(job.owners, job.options.layout, job.exports, noops)
    if late is not None:
        added, exports = functions_and_exports(module, late, job.exports, noops)
        plan = plan._replace(added=added, exports=exports, customs=(section(late),))
    runs: list[Run] | None = None
    for variant in variants(module, snapshot, plan):
        deadline.check_time()
        with observer.stage("rewrite"):
            if runs is None:
                runs = deadline.start(partial(memory_runs, module, snapshot, plan.memories)).result()
            output = deadline.start(partial(write_module, module, snapshot, variant, runs)).result()
        yield output
