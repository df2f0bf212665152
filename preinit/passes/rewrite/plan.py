"""What to write besides the snapshot: one part for each kind of state, and exports and functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...binary.encoder import Pieces
from ...binary.types import FuncType
from ...options import Layout
from ...tuples import NamedTuple
from ..plan.owners import Owners, Ownership

#: Name, kind and index of an export.
Export = tuple[str, int, int]
#: A function that does nothing: the index of its type, and the raw values that it returns.
NoOp = tuple[int, Sequence[bytes]]


class Added(NamedTuple):
    """A function to append: its type, its locals as they are written, its instructions without the last `end`."""

    type: FuncType
    locals: bytes
    body: bytes


class MemoriesPlan(NamedTuple):
    """`layout`: how memory is cut into data segments. `grow_with`: an imported function that grows memory 0 to a number
    of bytes, for a host that must know of it; None: an instruction does. `stores`: a start function may store a few
    words that would keep engines from mapping the data."""

    owners: Owners
    layout: Layout
    grow_with: int | None = None
    stores: bool = True


class GlobalsPlan(NamedTuple):
    """`added`: so many mutable i32 globals to append, which start with 0."""

    owners: Owners
    added: int = 0


class TablesPlan(NamedTuple):
    """`declared`: functions to declare in an element segment of their own, since nothing else does any more."""

    owners: Owners
    declared: tuple[int, ...] = ()


class SegmentsPlan(NamedTuple):
    """`keep_slots`: data segments keep their indices, since code may name them."""

    keep_slots: bool = False


class FramesPlan(NamedTuple):
    """Of functions that go on where active ones were: `types` that their code names, after the module's own; `names`
    of functions, by index."""

    types: tuple[FuncType, ...] = ()
    names: Mapping[int, str] = MappingProxyType({})


class Plan(NamedTuple):
    """`exports` of the output; `noops`: functions to append that do nothing, which `exports` may name, and behind them
    those of `added`. `customs`: sections to append; `replaced`: titles of sections that are left out."""

    memories: MemoriesPlan
    globals: GlobalsPlan
    tables: TablesPlan
    segments: SegmentsPlan
    frames: FramesPlan
    exports: tuple[Export, ...]
    noops: tuple[NoOp, ...] = ()
    added: tuple[Added, ...] = ()
    customs: tuple[Pieces, ...] = ()
    replaced: tuple[str, ...] = ()


def make_plan(
    owners: Ownership,
    layout: Layout,
    exports: tuple[Export, ...],
    noops: tuple[NoOp, ...] = (),
    added: tuple[Added, ...] = (),
) -> Plan:
    return Plan(
        MemoriesPlan(owners.memories, layout),
        GlobalsPlan(owners.globals),
        TablesPlan(owners.tables),
        SegmentsPlan(),
        FramesPlan(),
        exports,
        noops,
        added,
    )
