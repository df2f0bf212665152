"""Writes the figures of docs/figures.json into README.md and docs/: tables, charts, and figures within sentences.

In a page, what stands between `<!-- figures: NAME -->` and `<!-- end -->` is written from the file; NAME is one of
scripts/figures_tables.py or scripts/figures_words.py. `scripts/bench_all` measures.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench_list import BENCHMARKS
from scripts.chart import CHART, chart
from scripts.figures_file import FIGURES, ROOT, Figures, MissingFigure, changed, load
from scripts.figures_tables import TABLES
from scripts.figures_words import WORDS, word

MARK = re.compile(r"<!-- figures: (?P<name>[^\n]*?) -->(?P<body>.*?)<!-- end -->", re.DOTALL)
BEGIN = "<!-- figures:"


class WrongMark(ValueError):
    """A mark of a page that can't be written."""


class Place(NamedTuple):
    """What shows figures of benchmarks: a mark of a page, or the chart."""

    page: str
    name: str
    benchmarks: frozenset[str]


def filled(figures: Figures, page: str, text: str) -> tuple[str, list[Place]]:
    """The page's text with its figures as they should be. Raises `WrongMark`, `MissingFigure`."""
    places = []

    def written(found: re.Match[str]) -> str:
        name = found["name"]
        line = text.count("\n", 0, found.start()) + 1
        if BEGIN in found["body"]:
            raise WrongMark(f"{page}, line {line}: `{BEGIN} {name} -->` has no `<!-- end -->`")
        begins = not text[: found.start()].rpartition("\n")[2].strip()
        if begins != (name in TABLES):
            where = "the beginning of a line: as HTML, it would cut the paragraph" if begins else "a line of its own"
            raise WrongMark(f"{page}, line {line}: the mark {name} {'stands at' if begins else 'needs'} {where}")
        figures.used.clear()
        try:
            body = f"\n{TABLES[name](figures)}\n" if name in TABLES else word(figures, name)
        except MissingFigure as problem:
            raise MissingFigure(f"{page}, line {line}: {problem}") from problem
        if body is None:
            raise WrongMark(f"{page}, line {line}: there are no figures {name!r}")
        places.append(Place(page, name, frozenset(figures.used)))
        return f"{BEGIN} {name} -->{body}<!-- end -->"

    whole = MARK.sub(written, text)
    if whole.count(BEGIN) != len(places):
        raise WrongMark(f"{page}: a mark `{BEGIN}` has no name or no `<!-- end -->`")
    return whole, places


def pages(root: Path = ROOT) -> Iterator[Path]:
    yield root / "README.md"
    yield from sorted((root / "docs").rglob("*.md"))


def written(figures: Figures, root: Path = ROOT) -> tuple[dict[Path, str], list[Place]]:
    """All pages and charts as they should be, and what shows which benchmarks."""
    texts: dict[Path, str] = {}
    places: list[Place] = []
    for path in pages(root):
        page = path.relative_to(root).as_posix()
        texts[path], found = filled(figures, page, path.read_text(encoding="utf-8"))
        places += found
    figures.used.clear()
    drawing = root / CHART.relative_to(ROOT)
    texts[drawing] = chart(figures)
    return texts, [*places, Place(drawing.relative_to(root).as_posix(), "chart", frozenset(figures.used))]


def different(texts: Mapping[Path, str]) -> list[Path]:
    """The files that are not as they should be."""
    return [p for p, text in texts.items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def older(figures: Figures, places: Sequence[Place], root: Path = ROOT) -> Iterator[str]:
    """For each benchmark whose code has changed since it was run, or that never was: what changed, and who shows it."""
    for name, benchmark in BENCHMARKS.items():
        if name not in figures.results:
            yield f"{name}: never measured"
            continue
        measured = figures.results[name].measured
        if now := changed(measured, benchmark.paths, root):
            yield f"{name}, {measured.date}, {measured.commit}: {', '.join(now)}"
            yield f"  in {shown(name, places) or 'no page'}"


def shown(benchmark: str, places: Sequence[Place]) -> str:
    """The pages that show a benchmark, with the names of tables."""
    found: dict[str, list[str]] = {}
    for place in places:
        if benchmark in place.benchmarks:
            found.setdefault(place.page, []).extend([place.name] if place.name in TABLES else [])
    return ", ".join(f"{page} ({', '.join(tables)})" if tables else page for page, tables in found.items())


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    parser = argparse.ArgumentParser(prog="scripts/figures", description=__doc__)
    parser.add_argument(
        "--check", action="store_true",
        help="write nothing: fail if a page differs from what the file gives, and say which figures are older than the "
        "code that they speak of",
    )  # fmt: skip
    check = parser.parse_args(arguments).check
    try:
        figures = load(root / FIGURES.relative_to(ROOT))
        texts, places = written(figures, root)
    except (WrongMark, MissingFigure, ValueError) as problem:
        sys.exit(f"scripts/figures: {problem}")
    wrong = different(texts)
    if not check:
        for path in wrong:
            path.write_text(texts[path], encoding="utf-8")
            print(f"wrote {path.relative_to(root).as_posix()}")
        return
    lines = list(older(figures, places, root))
    if lines:
        print("older than the code that they speak of, or never measured:")
        print("\n".join(f"  {line}" for line in lines))
    if wrong:
        names = ", ".join(path.relative_to(root).as_posix() for path in wrong)
        sys.exit(f"not what docs/figures.json gives: {names}: run scripts/figures")


__all__ = ["WORDS", "Place", "WrongMark", "different", "filled", "older", "written"]

if __name__ == "__main__":
    main()
