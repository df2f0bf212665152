"""Functions at the end of an output: those that do nothing, then a start function, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.stores import stores_at_start
from ..errors import Discrepancy
from ..passes.plan.owners import Ownership
from ..passes.rewrite.plan import Added
from ..passes.snapshot import Snapshot
from .globals import need_start


def added_functions(
    module: Module, output: Module, snapshot: Snapshot, owners: Ownership, noops: int, late: Sequence[Added] = ()
) -> Iterator[Discrepancy]:
    """After the input's functions, there may be `noops` that do nothing, those of `late`, a start function.

    There is one where it is needed, or where it stores constants and does nothing else: what memories hold then is
    compared anyway.
    """
    starts = need_start(module, snapshot.globals, owners.globals) or any(
        kind.imported and kind.restores(0) for kind in (owners.memories, owners.tables)
    )
    if not starts:
        stored, nothing_else = stores_at_start(output)
        starts = bool(stored) and nothing_else
    wanted = noops + len(late) + starts
    more = len(output.function_types) - len(module.function_types)
    if more != wanted:
        yield Discrepancy("function", "functions after those of the input", f"{wanted}", f"{more}")
    expected = len(module.function_types) + noops + len(late) if starts else None
    if output.start != expected:
        shown = ("none" if index is None else f"function {index}" for index in (expected, output.start))
        yield Discrepancy("start function", "start function", *shown)
    if more != wanted:
        return
    first = len(module.bodies) + noops
    for number, function in enumerate(late):
        body = output.bodies[first + number]
        if output.data[body.start : body.end] != function.locals + function.body + code.END:
            place = f"code of function {len(module.function_types) + noops + number}"
            yield Discrepancy("code", place, "fetches the instance's own environment or arguments", "other code")
