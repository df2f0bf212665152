"""What a snapshot has beyond its original."""

from __future__ import annotations

from collections import Counter

from ..binary.module import Module, Section, SectionId
from .describe import MOST_LISTED, constant_text, imports, kind_name, producers, section_name
from .model import Added, GlobalChange, Renamed, SectionChange

#: Bytes that are compared at once: slices are copies.
_GRAIN = 1 << 20

#: A section in both modules: its name, and which one of that name.
_Key = tuple[int, str, int]


def added(module: Module, original: Module) -> Added:
    """Compares a module with the one that it was made from."""
    count, entries = module.code_entries()
    count_before, entries_before = original.code_entries()
    gone, new, renamed = _exports(module, original)
    changes = _globals(module, original)
    now, before = Counter(_import_names(module)), Counter(_import_names(original))
    known = set(producers(original))
    return Added(
        len(original.data),
        original.sha256,
        count >= count_before and _same(entries[: len(entries_before)], entries_before),
        count - count_before,
        original.start is not None and module.start is None,
        _sections(module, original),
        len(original.data_segments),
        sum(segment.end - segment.start for segment in original.data_segments),
        len(original.elements),
        tuple(limits.minimum for limits in original.memories[:MOST_LISTED]),
        tuple(table.limits.minimum for table in original.tables[:MOST_LISTED]),
        tuple(changes[:MOST_LISTED]),
        len(changes),
        gone,
        new,
        renamed,
        tuple((before - now).elements()),
        tuple((now - before).elements()),
        tuple(entry for entry in producers(module) if entry not in known),
    )


def _same(one: memoryview, other: memoryview) -> bool:
    if len(one) != len(other):
        return False
    steps = range(0, len(one), _GRAIN)
    return all(bytes(one[at : at + _GRAIN]) == bytes(other[at : at + _GRAIN]) for at in steps)


def _keyed(module: Module) -> dict[_Key, Section]:
    """Sections by their names; of several custom ones with one name, in order."""
    seen: Counter[tuple[int, str]] = Counter()
    found = {}
    for section in module.sections[:MOST_LISTED]:
        name = (int(section.id), section_name(section))
        found[*name, seen[name]] = section
        seen[name] += 1
    return found


def _sections(module: Module, original: Module) -> tuple[SectionChange, ...]:
    """Those of the module in their order, then those that only the original has."""
    now, before = _keyed(module), _keyed(original)
    found = []
    for key in (*now, *(key for key in before if key not in now)):
        own, old = now.get(key), before.get(key)
        same = own is not None and old is not None and _same(module.payload(own), original.payload(old))
        size_before, size = (part.end - part.header if part else None for part in (old, own))
        found.append(SectionChange(key[1], key[0] == SectionId.CUSTOM, size_before, size, same))
    return tuple(found)


def _globals(module: Module, original: Module) -> list[GlobalChange]:
    """Globals whose initial value is another one. The rewriter keeps their indices."""
    names = original.names.globals
    changes = []
    for index, (entry, old) in enumerate(zip(module.globals, original.globals, strict=False)):
        raw, raw_before = (each.initializer.raw if each.initializer else None for each in (entry, old))
        if raw != raw_before:
            before, after = constant_text(old.initializer), constant_text(entry.initializer)
            changes.append(GlobalChange(index, names.get(index), before, after))
    return changes


def _exports(module: Module, original: Module) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Renamed, ...]]:
    """Names that are gone, that are new, and those under which something else is found now."""
    now = {entry.name: (entry.kind, entry.target) for entry in module.exports}
    before = {entry.name: (entry.kind, entry.target) for entry in original.exports}
    gone = [name for name in before if name not in now]
    new = [name for name in now if before.get(name) != now[name]]
    left: dict[tuple[int, int], list[str]] = {}
    for name in gone:
        left.setdefault(before[name], []).append(name)
    renamed = []
    for name in new:
        old = left.get(now[name])
        if old:
            renamed.append(Renamed(old[0], name, kind_name(now[name][0])))
        elif name in before:
            renamed.append(Renamed(name, name, kind_name(now[name][0])))
    told = {entry.after for entry in renamed}
    moved = {entry.before for entry in renamed}
    return (
        tuple(name for name in gone if name not in moved)[:MOST_LISTED],
        tuple(name for name in new if name not in told)[:MOST_LISTED],
        tuple(renamed)[:MOST_LISTED],
    )


def _import_names(module: Module) -> list[str]:
    return [f"{entry.module}.{entry.name} ({entry.kind})" for entry in imports(module)]
