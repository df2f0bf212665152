"""Deciding what is written besides the snapshot: functions that are appended, and what is exported."""

from __future__ import annotations

from collections.abc import Sequence

from ..late import Late
from ..plan.exports import no_ops, output_exports
from ..plan.job import Job
from ..snapshot import Snapshot
from . import frames, late
from .plan import Plan, make_plan
from .resuming import resuming


def planned(job: Job, snapshot: Snapshot, returned: Sequence[Sequence[bytes]], fetched: Late | None) -> Plan:
    """The plan for an output. `returned`: what the calls gave that ended; `fetched`: what it fetches when it starts."""
    module = job.module
    ended = job.calls[: len(returned)]
    noops = no_ops(module, ended, returned, job.options)
    plan = make_plan(job.owners, job.options.layout, job.exports, noops)
    first = len(module.function_types) + len(noops)
    if snapshot.frames.run is not None:
        name = job.calls[snapshot.frames.run].name
        before = resuming(module, snapshot.frames, snapshot.memories)
        continued = frames.continuations(module, snapshot.frames, name, first, before)
        resumed = {} if continued.entry is None else {name: continued.entry}
        plan = plan._replace(
            exports=output_exports(module, ended, job.options, resumed),
            added=continued.functions,
            frames=plan.frames._replace(types=continued.types, names=continued.names),
            customs=(frames.section(snapshot.frames, first),),
            replaced=(frames.SECTION, late.SECTION),
        )
    if fetched is not None:
        functions, exports = late.added(module, fetched, plan)
        plan = plan._replace(
            added=(*plan.added, *functions), exports=exports, customs=(*plan.customs, late.section(fetched))
        )
    return plan
