"""Functions at the end of an output: those that do nothing, then a start function, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from ..binary.module import Module
from ..errors import Discrepancy
from ..passes.plan.owners import Ownership
from ..passes.snapshot import Snapshot
from .globals import need_start


def added_functions(
    module: Module, output: Module, snapshot: Snapshot, owners: Ownership, noops: int
) -> Iterator[Discrepancy]:
    """After the input's functions, there may be `noops` that do nothing, then a start function."""
    starts = need_start(module, snapshot.globals, owners.globals) or any(
        kind.imported and kind.restores(0) for kind in (owners.memories, owners.tables)
    )
    wanted = noops + starts
    more = len(output.function_types) - len(module.function_types)
    if more != wanted:
        yield Discrepancy("function", "functions after those of the input", f"{wanted}", f"{more}")
    expected = len(module.function_types) + noops if starts else None
    if output.start != expected:
        shown = ("none" if index is None else f"function {index}" for index in (expected, output.start))
        yield Discrepancy("start function", "start function", *shown)
