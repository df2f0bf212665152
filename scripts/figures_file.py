"""docs/figures.json: what the benchmarks measured, and on which machine, when, and of which code.

    {"start": {"measured": {"machine": "2 cores of an Intel Xeon", "date": "2026-11-22", ...},
               "tables": {"first answer": [{"module": "primes", "before_ms": 76.63, "after_ms": 0.36}, ...]}}}

How a value's name ends is its unit: `_s`, `_ms`, `_us`, `_mb`, `_mib`, `_kib`, `_bytes`. Others are words, counts or
ratios. scripts/bench_all writes the file, scripts/figures makes tables, charts and sentences of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs/figures.json"

#: As benchmarks give them: rows by name.
Tables = Mapping[str, Sequence[Mapping[str, Any]]]

#: Digits that a measurement has: the rest is noise, and would only make differences between two files longer.
DIGITS = 6


class MissingFigure(LookupError):
    """A page shows a figure that the file does not have."""


class Row(dict[str, Any]):
    """A row of a benchmark's table; what it does not have is a figure that is missing."""

    def __init__(self, benchmark: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._benchmark = benchmark

    def __missing__(self, name: str) -> Any:
        raise MissingFigure(f"{self._benchmark} has no {name!r} in the row {dict(self)}: {again(self._benchmark)}")


def again(benchmark: str) -> str:
    return f"run scripts/bench_all {benchmark}"


@dataclass(frozen=True)
class Measured:
    """Where figures come from.

    `machine` names neither hosts nor paths. `busy`: whether other work took the machine. `settings`: how often, how
    much. `tools`: versions of what took part. `code`: digests of the paths that were measured.
    """

    machine: str
    busy: bool
    date: str
    commit: str
    version: str
    settings: Mapping[str, int] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """For a sentence: machine and day."""
        return f"{self.machine}, {self.date}{', while other work ran' if self.busy else ''}"


@dataclass(frozen=True)
class Result:
    """What one benchmark measured."""

    measured: Measured
    tables: Tables


class Figures:
    """The file's results by benchmark. `used`: the benchmarks that were asked for since it was last emptied."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self.results = dict(results)
        self.used: set[str] = set()

    def result(self, benchmark: str) -> Result:
        self.used.add(benchmark)
        if benchmark not in self.results:
            raise MissingFigure(f"there are no figures of {benchmark}: {again(benchmark)}")
        return self.results[benchmark]

    def measured(self, benchmark: str) -> Measured:
        return self.result(benchmark).measured

    def rows(self, benchmark: str, table: str, **wanted: object) -> list[Row]:
        """The rows of a table that have these values. Raises `MissingFigure` if there is none."""
        rows = self.result(benchmark).tables.get(table, ())
        found = [row for row in rows if all(name in row and row[name] == value for name, value in wanted.items())]
        if not found:
            named = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
            what = f"{table!r}{' with ' if named else ''}{named}"
            raise MissingFigure(f"{benchmark} has no row of {what}: {again(benchmark)}")
        return [Row(benchmark, row) for row in found]

    def row(self, benchmark: str, table: str, **wanted: object) -> Row:
        return self.rows(benchmark, table, **wanted)[0]

    def value(self, benchmark: str, table: str, column: str, **wanted: object) -> Any:
        return self.row(benchmark, table, **wanted)[column]


def load(path: Path = FIGURES) -> Figures:
    """Raises `ValueError` if the file is not what scripts/bench_all writes; a file that is not there has no figures."""
    if not path.exists():
        return Figures({})
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return Figures(
            {name: Result(Measured(**entry["measured"]), dict(entry["tables"])) for name, entry in read.items()}
        )
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"{path.name} is not a file of figures: {problem!r}") from problem


def store(figures: Figures, path: Path = FIGURES) -> None:
    """Benchmarks by name, a row a line: so that a difference between two files can be read."""
    parts = []
    for name, result in sorted(figures.results.items()):
        tables = ",\n".join(
            f"      {_json(table)}: [\n" + ",\n".join(f"        {_json(_rounded(row))}" for row in rows) + "\n      ]"
            for table, rows in result.tables.items()
        )
        facts = ",\n".join(f"      {_json(key)}: {_json(value)}" for key, value in asdict(result.measured).items())
        parts.append(
            f'  {_json(name)}: {{\n    "measured": {{\n{facts}\n    }},\n    "tables": {{\n{tables}\n    }}\n  }}'
        )
    whole = "{\n" + ",\n".join(parts) + "\n}\n"
    new = path.with_name(f"{path.name}.new")  # whole, or not at all: what was measured before is in there, too
    new.write_text(whole, encoding="utf-8")
    new.replace(path)


def merge(path: Path, name: str, result: Result) -> None:
    """Puts one benchmark's result in place of its last one; the others stay as they are."""
    figures = load(path)
    figures.results[name] = result
    store(figures, path)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for name, value in row.items()}


def digest(paths: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """What files and folders hold now, in a few characters each; caches of compiled code are none of it.

    It needs no history, so it works in a copy of the sources, too, and a change that was taken back is none.
    """
    return {path: _digest(root / path, root) for path in paths}


def _digest(path: Path, root: Path) -> str:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and _is_source(p))
    summed = hashlib.sha256()
    for file in files:
        summed.update(f"{file.relative_to(root).as_posix()}\0".encode())
        summed.update(hashlib.sha256(file.read_bytes()).digest())
    return summed.hexdigest()[:16] if files else "nothing"


def _is_source(path: Path) -> bool:
    return "__pycache__" not in path.parts and path.suffix != ".pyc"


def changed(measured: Measured, paths: Iterable[str], root: Path = ROOT) -> list[str]:
    """Those of the paths that hold something else than when it was measured."""
    return [path for path, now in digest(paths, root).items() if measured.code.get(path) != now]
