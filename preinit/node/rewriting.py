"""From a snapshot and stand-ins to the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import I32, FuncType
from ..engine.runtime import Deadline
from ..options import Layout
from ..passes.observer import Observer
from ..passes.plan.owners import Ownership
from ..passes.rewrite.memories import memory_runs
from ..passes.rewrite.module import Rewritten, variants, write_module
from ..passes.rewrite.plan import Plan, make_plan
from ..passes.snapshot import Snapshot
from .imports import RESIZE, numbered
from .recording import Recording
from .standins import StandIn


def plan_of(module: Module, owners: Ownership, layout: Layout, made: Sequence[StandIn], recording: Recording) -> Plan:
    """What to write besides the snapshot."""
    first = len(module.function_types)
    replaced = {one.export: first + number for number, one in enumerate(made)}
    exports = tuple(
        (e.name, int(e.kind), replaced.get(e.name, e.target) if e.kind == ExternKind.FUNC else e.target)
        for e in module.exports
    )
    plan = make_plan(owners, layout, exports, added=tuple(one.function for one in made))
    return plan._replace(
        globals=plan.globals._replace(added=len(made)),
        # JavaScript engines map nothing.
        memories=plan.memories._replace(grow_with=_resize(module, recording), stores=False),
    )


def _resize(module: Module, recording: Recording) -> int | None:
    """The glue's own function that grows the memory: its views of it would be detached otherwise."""
    numbers = numbered(module)
    for entry in recording.imports:
        index = numbers.get((entry.module, entry.name))
        if RESIZE.fullmatch(entry.title) and index is not None and module.function_type(index) == _RESIZE_TYPE:
            return index
    return None


_RESIZE_TYPE = FuncType((I32,), (I32,))


def ways(module: Module, snapshot: Snapshot, plan: Plan, deadline: Deadline, observer: Observer) -> Iterator[Rewritten]:
    """The ways to write the output, best first: the first that Node takes is right.

    Raises `OutputTooLarge`, `TimeLimit`.
    """
    runs = None
    for variant in variants(module, snapshot, plan):
        deadline.check_time()
        with observer.stage("rewrite"):
            runs = runs or memory_runs(module, snapshot, plan.memories)
            output = write_module(module, snapshot, variant, runs)
        yield output
