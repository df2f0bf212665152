"""What all benchmarks share: rows as Markdown, and on which machine they were measured."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
#: What a benchmark's function `tables` gives: rows by name. See scripts/figures_file.py for the names in a row.
Tables = dict[str, list[dict[str, Any]]]

#: How names of columns end: their unit.
UNITS = {"s": "s", "ms": "ms", "us": "us", "mb": "MB", "mib": "MiB", "kib": "KiB", "bytes": "bytes", "percent": "%"}

#: Seconds in which we look who else uses the processors, and the cores that others may take of a quiet machine.
LOOK, QUIET = 0.5, 0.25


def show(rows: Sequence[Row]) -> None:
    """Prints rows as a table: the names of their values are its head."""
    if not rows:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numbers = [any(_is_number(row.get(name)) for row in rows) for name in columns]
    print(f"| {' | '.join(map(heading, columns))} |")
    print(f"|{'|'.join('---:' if right else '---' for right in numbers)}|")
    for row in rows:
        print(f"| {' | '.join(cell(row.get(name)) for name in columns)} |")
    print(flush=True)


def heading(column: str) -> str:
    """`wall_s` is "wall, s"."""
    name, _, unit = column.rpartition("_")
    return f"{name.replace('_', ' ')}, {UNITS[unit]}" if name and unit in UNITS else column.replace("_", " ")


def cell(value: object) -> str:
    """A number with at least three digits that mean something."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return f"{value:,}" if _is_number(value) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """As "2 cores of an Intel Xeon": what others can compare their own with, and nothing that is ours alone."""
    name = processor(_model())
    number = cores()
    article = "an" if name[0] in "AEIOU" else "a"
    return f"{number} core{'s' if number > 1 else ''} of {article} {name}"


def processor(model: str) -> str:
    """A maker and a family: "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz" is an "Intel Xeon"."""
    words = re.sub(r"\((?:R|TM|C)\)|@.*", " ", model, flags=re.IGNORECASE).split()
    return " ".join(words[:2]) or "unknown processor"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def others() -> float | None:
    """Cores that other programs use now; None where the system does not tell."""
    before = _busy()
    time.sleep(LOOK)
    after = _busy()
    return None if before is None or after is None else (after - before) / os.sysconf("SC_CLK_TCK") / LOOK


def _busy() -> int | None:
    """Ticks in which the processors that we may use have worked."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    except (OSError, AttributeError):
        return None
    ticks = [list(map(int, line.split()[1:9])) for line in lines if line.split()[0] in ours]
    return sum(sum(one) - one[3] - one[4] for one in ticks)  # the fourth and fifth: idle, and waiting for a disk


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def commit(root: Path) -> str:
    return said("git", "-C", str(root), "describe", "--always", "--dirty") or "no commit"


def engine_version(package: str = "wasmtime") -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def node_version() -> str:
    return said("node", "--version").removeprefix("v")


def said(*command: str) -> str:
    """The first line that a command prints, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0].strip()


def footer(rounds: str) -> str:
    """What stands below the tables that a benchmark prints."""
    return f"{machine()}, {rounds}, {today()}"
