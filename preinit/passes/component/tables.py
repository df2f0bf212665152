"""Tables of a component: which entries differ from what an instance of the output would have by itself.

An instance of the output applies all element segments again, and runs no start function. So what a table holds after
each instantiation is noted before the start function runs; what differs from that in the end has to be written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, compress, count
from operator import ne

from ...binary.constexpr import evaluate, integer_of
from ...binary.module import Module
from ...binary.sections import ElementSegment, ExternKind, Mode
from ...engine.component.cores import Extern
from ...engine.component.linked import LinkedInstance, Watcher
from ...engine.values import NULL, RawValue
from ...errors import EngineLimit
from ..instrument import Instrumented
from ..run.observed import Observed, observe_globals

Entries = list[RawValue]

#: Entries of tables that are looked at while modules are instantiated: each takes 2 us.
_MOST_LOOKED = 20_000_000


class Watched(Watcher):
    """Notes what core instances hold before they run. `instrumented`: of each module, by where it begins.

    `as_filled`: see `Linked.as_filled`.
    """

    def __init__(self, instrumented: Mapping[int, Instrumented], as_filled: Callable[[Entries], Entries]) -> None:
        self._as_filled = as_filled
        self._instrumented = instrumented
        self._expected: dict[Extern, Entries] = {}
        self._touched: defaultdict[Extern, set[int]] = defaultdict(set)
        self._values: dict[Extern, Entries] = {}
        self._places: dict[Extern, Sequence[range]] = {}  # of the same tables: which entries segments are applied to
        self._looked = 0
        self._known: dict[Extern, Entries] = {}  # what tables hold, as long as nothing runs
        #: What each instance held before its start function ran.
        self.globals: dict[LinkedInstance, Observed] = {}

    def before(self, module: Module, given: Sequence[Extern]) -> None:
        """Its segments may be applied to tables that start functions have changed."""
        self._values, self._places = {}, {}
        tables = [extern for extern in given if extern.kind == ExternKind.TABLE]
        globals_ = [extern for extern in given if extern.kind == ExternKind.GLOBAL]
        segments = [s for s in module.elements if s.mode is Mode.ACTIVE and s.table < len(tables)]
        for table in {tables[segment.table] for segment in segments}:
            known = self._known.get(table)
            self._values[table] = now = self.entries(table) if known is None else known
            self._looked += 2 * len(now)
            if self._looked > _MOST_LOOKED:
                raise EngineLimit(
                    "many core modules put functions into large tables of others: more entries than preinit follows",
                    hint="Make the tables smaller, or link the modules into fewer.",
                )
            self._touched[table].update(_differing(now, self._expected[table]))
            own = [segment for segment in segments if tables[segment.table] is table]
            self._places[table] = _written(own, len(now), partial(_integer, globals_))

    def made(self, instance: LinkedInstance) -> None:
        for table, earlier in self._values.items():
            now = self._known[table] = list(earlier)
            for places in self._places[table]:
                now[places.start : places.stop] = self.entries(table, places)
            expected = self._expected[table]
            for index in _differing(now, earlier):
                expected[index] = now[index]
        module = instance.module
        for index in range(module.imported_tables, len(module.tables)):
            table = instance.extern(ExternKind.TABLE, index)
            self._known[table] = self._new(instance, index, table)
            self._expected[table] = list(self._known[table])
        where = self._instrumented[instance.base]
        self.globals[instance] = own_globals(instance, where)

    def _new(self, instance: LinkedInstance, index: int, table: Extern) -> Entries:
        """What one holds that was made just now: null, but for where its module's own segments are applied."""
        module = instance.module
        size = module.tables[index].limits.minimum
        places: Sequence[range] = [range(size)]
        if module.tables[index].initializer is None:
            segments = [s for s in module.elements if s.mode is Mode.ACTIVE and s.table == index]
            globals_ = [extern for extern in instance.given if extern.kind == ExternKind.GLOBAL]
            places = _written(segments, size, partial(_integer, globals_))
        found = [NULL] * size
        for one in places:
            found[one.start : one.stop] = self.entries(table, one)
        return found

    def started(self, instance: LinkedInstance) -> None:
        self._known.clear()

    def entries(self, table: Extern, places: range | None = None) -> Entries:
        """What a table holds now, all or at `places`."""
        owner = table.owner
        assert isinstance(owner, LinkedInstance)
        name = self._instrumented[owner.base].tables[table.index]
        return self._as_filled(owner.guest.table_values(name, places))

    def expected(self, table: Extern) -> Entries:
        """What it would hold in an instance of the output."""
        return self._expected[table]

    def changed(self) -> dict[Extern, tuple[Entries, Sequence[int]]]:
        """The tables that would hold something else: what they hold, and the places of the entries to write."""
        found: dict[Extern, tuple[Entries, Sequence[int]]] = {}
        for table, expected in self._expected.items():
            now = self.entries(table)
            places = self._touched[table].union(_differing(now, expected))
            if places:
                found[table] = now, [index for index in sorted(places) if index < len(now)]
        return found


def own_globals(instance: LinkedInstance, where: Instrumented) -> Observed:
    """What the mutable globals hold that the instance's module defines: others start again as they did."""
    module = instance.module
    own = {
        index: name
        for index, name in where.globals.items()
        if index >= module.imported_globals and module.globals[index].mutable
    }
    return Observed(observe_globals(module, where._replace(globals=own), instance.guest), {})


def _integer(externs: Sequence[Extern], index: int) -> int | None:
    """What an imported global holds for good, by what it starts with; None where that is not said by a number."""
    owner = externs[index].owner if index < len(externs) else None
    entry = owner.module.globals[externs[index].index] if owner else None
    return integer_of(entry.initializer) if entry and entry.initializer and not entry.mutable else None


def _written(
    segments: Sequence[ElementSegment], size: int, global_value: Callable[[int], int | None]
) -> Sequence[range]:
    """The places of a table of that size which element segments are applied to; all, where that can't be told."""
    found = []
    for segment in segments:
        start = evaluate(segment.offset, global_value) if segment.offset else None
        if start is None or start + segment.length > size:
            return [range(size)]
        found.append(range(start, start + segment.length))
    return found


def _differing(now: Entries, then: Entries) -> Iterator[int]:
    if now == then:
        return iter(())
    shorter, longer = sorted((len(now), len(then)))
    return chain(compress(count(), map(ne, now, then)), range(shorter, longer))
