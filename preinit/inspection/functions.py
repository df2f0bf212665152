"""Functions by the beginning of their names: which library, crate or part of a program the code section is made of."""

from __future__ import annotations

import re
from heapq import nlargest

from ..binary.module import Module
from .model import FunctionFacts, FunctionGroup

#: Groups that are told apart; functions of all others are in one. The same for functions that stand for themselves.
MOST_GROUPS = 60
MOST_LARGEST = 50

#: Characters of a name that are looked at, and that a group's name has.
_LOOKED_AT, _LONGEST = 300, 60

#: The first part of a mangled name of C++ or Rust, with its length before it. None of these go back over what they
#: have read: names are untrusted, and there can be a million.
_MANGLED = re.compile(r"_++(?:ZNK?+|R[0-9A-Za-z]*+_)(\d{1,3}+)")
_STANDARD = re.compile(r"_++Z(?:NK?+)?+S[tabsiod]")
#: The first namespace or crate of a demangled one: what comes before it is a return type, or brackets of an impl.
_NAMESPACE = re.compile(r"(?<![\w$])([A-Za-z_$][\w$]*+)::")
#: What names of C have in common: a prefix up to an underscore.
_PREFIX = re.compile(r"_*+[A-Za-z][A-Za-z0-9]*+_")

OTHERS, UNNAMED = "other functions", "functions without a name"


def group_of(name: str) -> str:
    """The group of a function's name, which is the name itself where nothing in it tells of one."""
    short = name[:_LOOKED_AT]
    mangled = _MANGLED.match(short)
    if mangled:
        end = mangled.end() + int(mangled[1])
        return f"{short[mangled.end() : end][:_LONGEST]}::"
    if _STANDARD.match(short):
        return "std::"
    if "::" in short:
        namespace = _NAMESPACE.search(short)
        return f"{namespace[1][:_LONGEST]}::" if namespace else short[:_LONGEST]
    prefix = _PREFIX.match(short)
    return prefix[0][:_LONGEST] if prefix else short[:_LONGEST]


def function_groups(module: Module) -> tuple[tuple[FunctionGroup, ...], tuple[FunctionFacts, ...]]:
    """The groups, largest first and what is in none of them last, and the largest functions.

    Raises `Malformed`.
    """
    bodies = module.bodies
    names = module.names.functions
    exported = {e.target: e.name for e in reversed(module.exports) if e.kind == 0}
    first = module.imported_functions
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for index, body in enumerate(bodies, first):
        name = names.get(index) or exported.get(index)
        group = group_of(name) if name else UNNAMED
        counts[group] = counts.get(group, 0) + 1
        sizes[group] = sizes.get(group, 0) + body.end - body.start
    kept = set(nlargest(MOST_GROUPS, sizes, key=sizes.__getitem__))
    rest = [group for group in sizes if group not in kept]
    found = [FunctionGroup(group, counts[group], sizes[group]) for group in sizes if group in kept]
    found.sort(key=lambda group: (-group.size, group.name))
    if rest:
        found.append(FunctionGroup(OTHERS, sum(counts[g] for g in rest), sum(sizes[g] for g in rest)))
    largest = nlargest(MOST_LARGEST, enumerate(bodies, first), key=lambda entry: entry[1].end - entry[1].start)
    shown = tuple(FunctionFacts(i, names.get(i) or exported.get(i), body.end - body.start) for i, body in largest)
    return tuple(found), shown
