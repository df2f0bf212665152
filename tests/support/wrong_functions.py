"""Wrong versions of the functions that write a module back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from preinit.binary import encoder
from preinit.binary.module import SectionId
from preinit.binary.types import F32
from preinit.passes.rewrite import tables
from preinit.passes.rewrite.runs import Places

#: Function -> what to put in its place.
Wrong = Callable[[Any], Any]


def with_snapshot(change: Callable[[Any, Any], dict[str, Any]]) -> Wrong:
    """The function sees another snapshot: `change` gives fields for (module, snapshot)."""

    def wrong(original: Any) -> Any:
        def function(module: Any, snapshot: Any, *rest: Any) -> Any:
            return original(module, snapshot._replace(**change(module, snapshot)), *rest)

        return function

    return wrong


def with_module(change: Callable[[Any, Any], dict[str, Any]]) -> Wrong:
    """The function sees another module."""

    def wrong(original: Any) -> Any:
        return lambda module, snapshot, *rest: original(replace(module, **change(module, snapshot)), snapshot, *rest)

    return wrong


def with_changed(change: Callable[[Any, Any], Any]) -> Wrong:
    """The function sees other changed tables."""
    return with_snapshot(lambda m, s: {"tables": s.tables._replace(changed=change(m, s.tables.changed))})


def with_entries(change: Callable[[Any], Any]) -> Wrong:
    """Each reference in a table is another one."""
    return with_changed(lambda _, tables: {i: tuple(map(change, content)) for i, content in tables.items()})


def with_segments(change: Callable[[Any, Any], dict[str, Any]]) -> Wrong:
    """The function sees other segments that were dropped."""
    return with_snapshot(lambda m, s: {"segments": s.segments._replace(**change(m, s.segments))})


def with_state(change: Callable[[Any, Any], dict[str, Any]]) -> Wrong:
    """The function of one kind of state sees another one: `change` gives fields for (module, state)."""

    def wrong(original: Any) -> Any:
        return lambda module, state, *rest: original(module, state._replace(**change(module, state)), *rest)

    return wrong


with_table_state = with_state


def with_pages(original: Any) -> Any:
    """The memories of the state have the size that they had before."""
    return lambda module, states, *rest: original(module, _original_pages(module, states), *rest)


def as_imports(imports: str) -> Wrong:
    """The function is told that imports become something else."""

    def changed(plan: Any) -> Any:
        kinds = ("memories", "tables", "globals")
        parts = {kind: getattr(plan, kind) for kind in kinds}
        owners = {kind: part.owners._replace(imports=imports) for kind, part in parts.items()}
        return plan._replace(**{kind: parts[kind]._replace(owners=owners[kind]) for kind in kinds})

    return lambda original: lambda module, snapshot, plan: original(module, snapshot, changed(plan))


def result(change: Callable[[Any], Any]) -> Wrong:
    """What the function gives is changed."""
    return lambda original: lambda *arguments: change(original(*arguments))


def always(value: Any) -> Wrong:
    return lambda _original: lambda *_arguments: value


def first_argument(change: Callable[[Any], Any]) -> Wrong:
    return lambda original: lambda first, *rest: original(change(first), *rest)


def _original_pages(module: Any, states: Any) -> Any:
    return tuple(state._replace(pages=limits.minimum) for limits, state in zip(module.memories, states, strict=True))


def original_pages(module: Any, snapshot: Any) -> dict[str, Any]:
    return {"memories": _original_pages(module, snapshot.memories)}


def original_sizes(module: Any, state: Any) -> dict[str, Any]:
    return {"changed": {i: content[: module.tables[i].limits.minimum] for i, content in state.changed.items()}}


def while_it_runs(name: str, other: Any) -> Wrong:
    """Another function of the same file is wrong, but only for this one."""

    def wrong(original: Any) -> Any:
        def function(*arguments: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tables, name, other)
                return original(*arguments)

        return function

    return wrong


def initializers_kept(original: Any) -> Any:
    """A changed table only gets another minimum."""

    def function(module: Any, snapshot: Any, owners: Any) -> Any:
        tables = [
            table._replace(limits=table.limits._replace(minimum=len(snapshot.changed.get(i, ()))))
            for i, table in enumerate(module.tables)
        ]
        return original(replace(module, tables=tuple(tables)), snapshot._replace(changed={}), owners)

    return function


def least_common(_table: Any, entries: Any) -> Any:
    return Counter(entries).most_common()[-1][0]


def packed(original: Any) -> Any:
    """Runs follow each other without holes."""

    def function(entries: Any, fill: Any) -> Iterator[tuple[int, Any]]:
        at = 0
        for _, run in original(entries, fill):
            yield at, run
            at += len(run)

    return function


def quiet(original: Any) -> Any:
    def function(value_type: bytes, bits: bytes) -> bytes:
        return bytes(original(value_type, bytes((*bits[:2], bits[2] | 0x40, bits[3])) if value_type == F32 else bits))

    return function


def without_start_change(original: Any) -> Any:
    def function(module: Any, changed: Any, plan: Any) -> Any:
        return original(module, {i: pieces for i, pieces in changed.items() if i != SectionId.START}, plan)

    return function


def exports_kept(original: Any) -> Any:
    def function(module: Any, snapshot: Any, plan: Any, *rest: Any) -> Any:
        exports = tuple((e.name, e.kind, e.target) for e in module.exports)
        return original(module, snapshot, plan._replace(exports=exports), *rest)

    return function


def count_of_data(change: Callable[[int], int]) -> Wrong:
    """An encoder that says another number of data segments."""

    def wrong(original: Any) -> Any:
        def section(number: int, payload: Any) -> Any:
            if number == SectionId.DATA_COUNT:
                payload = encoder.uleb(change(payload[0]))
            return original.section(number, payload)

        return SimpleNamespace(**{**vars(original), "section": section})

    return wrong


def shifted(start: int, end: int) -> Wrong:
    return result(lambda places: Places([one + start for one in places.starts], [one + end for one in places.ends]))


def other_function(entry: Any) -> Any:
    return (entry + 1) % 3 if isinstance(entry, int) else entry
