"""What an output declares since its input's initializer ended there: sizes, functions at the end, a start function."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import V128, is_numeric
from ..errors import Discrepancy, GuestTrap
from ..host import Clock
from ..options import Imports
from ..options.numbers import encode
from ..passes.run.runner import Job, Paused, run_again
from ..passes.snapshot import Snapshot
from .state import State

#: Imported constants of which the output is given another value.
_MOST_GUARDS = 8


def sizes(module: Module, output: Module, state: State, imports: Imports) -> Iterator[Discrepancy]:
    """Memories and tables must start as large as they are now; imports that a start function grows, as they were."""
    as_they_were = imports == "restore"
    for index, memory in enumerate(output.memories):
        wanted = {state.memories[index].pages}
        if as_they_were and index < module.imported_memories:
            wanted = {module.memories[index].minimum}
        if memory.minimum not in wanted:
            yield Discrepancy("memory", f"minimum of memory {index}", f"{min(wanted)} pages", f"{memory.minimum} pages")
    for index, table in enumerate(output.tables):
        size = len(state.tables[index])
        wanted = {size}
        if index < module.imported_tables and imports != "define":
            # One that did not change may be longer than its import asks for.
            wanted = {module.tables[index].limits.minimum} | (set() if as_they_were else wanted)
        if table.limits.minimum not in wanted:
            found = f"{table.limits.minimum} elements"
            yield Discrepancy("table", f"minimum of table {index}", f"{size} elements", found)


def functions(
    module: Module, output: Module, snapshot: Snapshot, imports: Imports, noops: int
) -> Iterator[Discrepancy]:
    """Behind the input's functions, there may be `noops` that do nothing, then a start function, and nothing else."""
    starts = imports != "define" and _needs_start(module, snapshot, imports)
    wanted = noops + starts
    more = len(output.function_types) - len(module.function_types)
    if more != wanted:
        yield Discrepancy("function", "functions behind those of the input", f"{wanted}", f"{more}")
    expected = len(module.function_types) + noops if starts else None
    if output.start != expected:
        shown = ("none" if index is None else f"function {index}" for index in (expected, output.start))
        yield Discrepancy("start function", "start function", *shown)


def _needs_start(module: Module, snapshot: Snapshot, imports: Imports) -> bool:
    """Whether there is something to set, or to check, when an instance with those imports starts."""
    if imports == "restore" and (module.imported_memories or module.imported_tables):
        return True
    for index in range(module.imported_globals):
        entry = module.globals[index]
        if not is_numeric(entry.type):
            if entry.mutable and index in snapshot.references:
                return True
        elif not entry.mutable or snapshot.globals[index] != snapshot.globals_before[index]:
            return True
    return False


def guards(module: Module, preloads: Mapping[str, Module], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """For imported constants: `MODULE.NAME` and another value than the one that the output was built with."""
    for entry in module.imports:
        constant = entry.kind == ExternKind.GLOBAL and entry.global_
        name = f"{entry.module}.{entry.name}"
        if not constant or constant.mutable or name not in values or entry.module in preloads:
            continue
        texts = ("0x0", "0x1") if constant.type == V128 else ("0", "1")
        given = encode(constant.type, values[name])
        yield name, next(text for text in texts if encode(constant.type, text) != given)


def takes_other_values(job: Job, first: Paused, others: Iterator[tuple[str, str]]) -> Iterator[Discrepancy]:
    """Imported constants of which the output starts with another value, although what it holds depends on them."""
    for name, value in list(others)[:_MOST_GUARDS]:
        kept = [pair for pair in job.options.import_globals if pair[0] != name]
        options = dataclasses.replace(job.options, import_globals=(*kept, (name, value)))
        try:
            run = run_again(job._replace(options=options), first, options.host, Clock())
        except GuestTrap:
            continue
        run.world.close()
        run.instance.close()
        yield Discrepancy(
            "start function", f"start with {name}={value}", "another value, on which it depends", "started"
        )
