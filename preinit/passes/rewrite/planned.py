"""Deciding what is written besides the snapshot: functions that are appended, and what is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...binary import assembler as code
from ...binary.late import SECTION as LATE
from ...errors import Misfit, quoted
from ...options.hints import option
from ..plan.entries import renamed
from ..plan.exports import no_ops, output_exports
from ..plan.job import Job
from ..snapshot import Snapshot
from .plan import Plan, make_plan

if TYPE_CHECKING:
    from ..late import Late
    from ..run.paused import Paused


def planned(job: Job, snapshot: Snapshot, paused: Paused, fetched: Late | None) -> Plan:
    """The plan for an output. `paused`: what its calls returned, and what entries are given; `fetched`: what it fetches
    when it starts."""
    module, options = job.module, job.options
    ended = job.calls[: len(paused.returned)]
    noops = no_ops(module, ended, paused.returned, options)
    plan = make_plan(job.owners, options.layout, job.exports, noops)
    if job.entries:
        from .entries import entry_functions

        plan = plan._replace(added=entry_functions(module, job.entries, paused.given))
    if snapshot.frames.run is not None:
        plan = _continued(job, snapshot, plan, job.calls[snapshot.frames.run].name)
    # An output that ran fetches nothing any more, unless what it is made into does.
    if ended or snapshot.frames.run is not None:
        plan = plan._replace(replaced=(*plan.replaced, LATE))
    return _fetching(job, plan, fetched) if options.says_late else plan


def _fetching(job: Job, plan: Plan, fetched: Late | None) -> Plan:
    """The plan of an output that fetches what is its instance's own, and says so."""
    from . import late

    host = job.options.host
    if fetched is not None:
        functions, exports = late.late_functions(job.module, fetched, plan)
        plan = plan._replace(added=(*plan.added, *functions), exports=exports)
    folders = [*(guest for _, guest in host.dirs), *(guest for guest, _ in host.late_folders)]
    said = late.section(fetched, folders if host.late_dirs else ())
    return plan._replace(customs=(*plan.customs, said), replaced=(*plan.replaced, LATE))


def _continued(job: Job, snapshot: Snapshot, plan: Plan, name: str) -> Plan:
    """The plan of an output that goes on in the middle of its export `name`."""
    from . import frames
    from .late import ENTRIES
    from .resuming import resuming

    module, state = job.module, snapshot.frames
    first = len(module.function_types) + len(plan.noops) + len(plan.added)
    resumes = resuming(module, state, snapshot.memories)
    # Behind the continuations, and behind the one function more that calls it.
    before = b"" if resumes is None else code.call(first + len(state.frames) + 1)
    names = {new for new, present in renamed(module, job.options).items() if present == name}
    if not names and name in dict(job.options.rename_funcs):
        raise Misfit(
            f"nothing would export what goes on after the pause: something else gets its name, {quoted(name)}",
            hint=f"Give it another one, too: {option('-r', f'main={name}')}",
        )
    names = names or {name}
    # What a host calls first, it calls once.
    called = None if names <= {*ENTRIES} else len(module.globals) + plan.globals.added
    continued = frames.continuations(module, state, name, first, before, called)
    resumed = {} if continued.entry is None else {name: continued.entry}
    if called is not None and resumed:
        plan = plan._replace(globals=plan.globals._replace(added=plan.globals.added + 1))
    return plan._replace(
        exports=output_exports(module, job.calls[: state.run], job.options, resumed),
        added=(*plan.added, *continued.functions, *(() if resumes is None else (resumes,))),
        frames=plan.frames._replace(types=continued.types, names=continued.names),
        customs=(frames.section(state, first),),
        replaced=(frames.SECTION,),
    )
