"""From a Module and a Snapshot to the bytes of a module that starts where the initializer ended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ...binary.digest import sha256
from ...binary.rope import Rope
from ..observer import Observer
from ..plan.job import Job
from ..snapshot import Snapshot
from .appended import has_more
from .memories import memory_runs
from .module import Rewritten, variants, write_module
from .plan import Plan, make_plan
from .runs import Run, Runs

if TYPE_CHECKING:
    from ..late import Late
    from ..run.paused import Paused

#: Bytes of an output from which on it is hashed beside its validation.
_LARGE_OUTPUT = 1_000_000

__all__ = [
    "Plan",
    "Rewritten",
    "Run",
    "Runs",
    "has_more",
    "make_plan",
    "memory_runs",
    "rewrite",
    "write_module",
]


def rewrite(job: Job, snapshot: Snapshot, paused: Paused, late: Late | None, observer: Observer) -> Iterator[Rewritten]:
    """The ways to write the output, best first; each is only written when it is asked for.

    `paused`: what its calls returned, and what entries are given. `late`: what the output fetches when it starts, for
    which the `snapshot` has room. Raises `OutputTooLarge`, `TimeLimit`.
    """
    from .planned import planned

    module, deadline = job.module, job.deadline
    plan = deadline.start(partial(planned, job, snapshot, paused, late)).result()
    runs: Runs | None = None
    for variant in variants(module, snapshot, plan):
        deadline.check_time()
        with observer.stage("rewrite"):
            if runs is None:
                runs = deadline.start(partial(memory_runs, module, snapshot, plan.memories)).result()
            output = deadline.start(partial(write_module, module, snapshot, variant, runs)).result()
        if job.options.digest_modules and len(output.written) >= _LARGE_OUTPUT:
            output = output._replace(hashing=deadline.start(partial(_sha256, output.written)))
        yield output


def _sha256(written: Rope) -> str:
    return sha256(*written.pieces).hex()
