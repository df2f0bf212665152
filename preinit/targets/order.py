"""Which target is built after which, and which files they may not share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from ..errors import quoted
from ..files.toml import shown
from ..options.kinds import Wrong
from .target import Target

Order = dict[str, set[str]]


def check_files(targets: Mapping[str, Target]) -> None:
    """Raises `Wrong` where two targets write one file, a target writes what it reads, or they wait for each other."""
    writers: dict[str, str] = {}
    for name, target in targets.items():
        own = dict(zip(("output", "report"), target.writes, strict=False))
        taken = {os.path.realpath(path): f"the input {shown(path)!r}" for path in target.reads}
        taken[os.path.realpath(target.config)] = "this file"
        for key, path in own.items():
            real = os.path.realpath(path)
            if real in taken:
                raise Wrong(
                    ("targets", name, key),
                    f"the {key} of {quoted(name)} would overwrite {taken[real]}",
                    f"Give `{key}` another name.",
                )
            if real in writers:
                other = "the target itself" if writers[real] == name else f"the target {quoted(writers[real])}"
                raise Wrong(
                    ("targets", name, key),
                    f"the {key} of {quoted(name)}, {shown(path)!r}, is written by {other}, too",
                    "Give each target files of its own.",
                )
            writers[real] = name
    try:
        TopologicalSorter(order(targets)).prepare()
    except CycleError as problem:
        names = [quoted(name) for name in reversed(problem.args[1])]
        raise Wrong(
            ("targets", problem.args[1][0]),
            f"each of these targets needs the next one's output: {', '.join(names)}",
            "Write outputs into a folder that no guest sees, or have one target read something else.",
        ) from None


def order(targets: Mapping[str, Target]) -> Order:
    """For each target those whose output or report it reads: as a file, or in a folder that its guest sees."""
    writers = {os.path.realpath(path): name for name, target in targets.items() for path in target.writes}
    result: Order = {}
    for name, target in targets.items():
        needed = {writers.get(os.path.realpath(path)) for path in target.reads}
        for folder in map(os.path.realpath, target.dirs):
            needed |= {writer for path, writer in writers.items() if Path(path).is_relative_to(folder)}
        result[name] = {other for other in needed if other is not None and other != name}
    return result


def with_needed(names: list[str], after: Order) -> Order:
    """The part of an order that has these targets and all that they need."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += after[name]
    return {name: before for name, before in after.items() if name in needed}
