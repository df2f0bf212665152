"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..observer import Observer
from ..plan.exports import no_ops, output_exports
from ..plan.job import Job
from ..snapshot import Snapshot
from .appended import has_more
from .frames import NO_CONTINUATIONS, continuations
from .layout import Run
from .memories import memory_runs
from .module import Rewritten, variants, write_module
from .plan import Plan, make_plan
from .scrub import scrub

__all__ = ["Plan", "Rewritten", "Run", "has_more", "make_plan", "memory_runs", "rewrite", "scrub", "write_module"]


def rewrite(
    job: Job, snapshot: Snapshot, returned: Sequence[Sequence[bytes]], observer: Observer
) -> Iterator[Rewritten]:
    """The ways to write the output, best first; each is only written when it is asked for.

    `returned`: what the calls gave, for exports that do nothing any more. Raises `OutputTooLarge`, `TimeLimit`.
    """
    module, deadline = job.module, job.deadline
    ended = job.calls[: len(returned)]
    noops = no_ops(module, ended, returned, job.options)
    exports, continued = job.exports, NO_CONTINUATIONS
    if snapshot.frames.run is not None:
        name = job.calls[snapshot.frames.run].name
        first = len(module.function_types) + len(noops)
        continued = deadline.start(lambda: continuations(module, snapshot.frames, name, first)).result()
        resumed = {} if continued.entry is None else {name: continued.entry}
        exports = output_exports(module, ended, job.options, resumed)
    plan = make_plan(job.owners, job.options.layout, exports, noops, continued)
    runs: list[Run] | None = None
    for variant in variants(module, snapshot, plan):
        deadline.check_time()
        with observer.stage("rewrite"):
            if runs is None:
                runs = deadline.start(partial(memory_runs, module, snapshot, plan.memories)).result()
            output = deadline.start(partial(write_module, module, snapshot, variant, runs)).result()
        yield output
