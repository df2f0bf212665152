"""Figures of the documents: how the file of them is kept, how pages are written from it, and what is noticed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import bench_all, bench_list, bench_table, figures
from scripts.figures_file import FIGURES, Figures, Measured, MissingFigure, Result, digest, load, merge, store
from tests.support.places import ROOT

START = {"module": "primes", "before_ms": 76.63, "after_ms": 0.36, "times": 215}
JAVY = START | {"module": "javy"}
MARKED = "<!-- figures: start.table -->\n\n<!-- end -->\n"


def result(date: str = "2026-11-27", **tables: list[dict[str, object]]) -> Result:
    return Result(Measured("2 cores of a Sundial", False, date, "abc", "1.0", {"rounds": 1000}, {"node": "20"}), tables)


def started(row: dict[str, object] = START) -> Figures:
    return Figures({"start": result(**{"first answer": [row, JAVY]})})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The documents, without the program."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_a_page_gets_its_tables_and_the_figures_in_its_sentences() -> None:
    page = f"One.\n\n{MARKED}\nOf <!-- figures: start.setting.rounds -->7<!-- end --> starts, <!-- figures: start.about --><!-- end -->.\n"
    text, places = figures.filled(started(), "page.md", page)
    assert "| primes | 76.63 ms | 0.36 ms | 215 |\n| javy | 76.63 ms | 0.36 ms | 215 |\n<!-- end -->" in text
    assert (
        "Of <!-- figures: start.setting.rounds -->1,000<!-- end --> starts, <!-- figures: start.about -->2 cores"
        in text
    )
    assert "a Sundial, 2026-11-27<!-- end -->." in text
    assert places[0] == figures.Place("page.md", "start.table", frozenset({"start"}))
    assert figures.filled(started(), "page.md", text)[0] == text


def test_a_busy_machine_is_told() -> None:
    measured = replace(result().measured, busy=True)
    assert measured.about == "2 cores of a Sundial, 2026-11-27, while other work ran"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("\n<!-- figures: start.tabel --><!-- end -->", "page.md, line 2"),
        ("and <!-- figures: start.tabel --><!-- end -->", "there are no figures 'start.tabel'"),
        ("and <!-- figures: start --><!-- end -->", "there are no figures 'start'"),
        ("and <!-- figures: start.about -->one, two\n", "no name or no `<!-- end -->`"),
        (f"and <!-- figures: start.about -->one\n{MARKED}", "page.md, line 1: .* has no `<!-- end -->`"),
        ("and <!-- figures:\n", "has no name"),
        ("<!-- figures: start.about --><!-- end --> and", "stands at the beginning of a line"),
        (f"and {MARKED}", "needs a line of its own"),
    ],
)
def test_a_wrong_mark_is_named(page: str, said: str) -> None:
    with pytest.raises(figures.WrongMark, match=said):
        figures.filled(started(), "page.md", page)


@pytest.mark.parametrize(
    ("present", "page", "said"),
    [
        ({}, MARKED, "page.md, line 1: there are no figures of start: run scripts/bench_all start"),
        (
            {"start": result()},
            MARKED,
            "start has no row of 'first answer' with module 'primes': run scripts/bench_all start",
        ),
        ({"start": result(**{"first answer": [{"module": "primes"}]})}, MARKED, "start has no 'before_ms' in the row"),
        ({"start": result()}, "x <!-- figures: start.setting.turns --><!-- end -->", "start has no setting 'turns'"),
        (
            {"peers": result(builds=[{"module": "tiny"}])},
            "x <!-- figures: peers.tiny --><!-- end -->",
            "tool 'preinit'",
        ),
    ],
)
def test_a_figure_that_is_missing_is_named_with_its_benchmark(present: dict[str, Result], page: str, said: str) -> None:
    with pytest.raises(MissingFigure, match=said):
        figures.filled(Figures(present), "page.md", page)


def test_a_table_that_was_changed_by_hand_is_noticed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures.main(["--check"], checkout)
    page = checkout / "docs/comparison.md"
    right = page.read_text(encoding="utf-8")
    table = right.index("<!-- figures: peers.builds -->")
    cell = re.compile(r"\| (\d+)\.\d+ \|").search(right, table)
    assert cell
    changed = f"{right[: cell.start(1)]}{int(cell[1]) + 1}{right[cell.end(1) :]}"
    page.write_text(changed, encoding="utf-8")
    with pytest.raises(
        SystemExit, match=r"not what docs/figures\.json gives: docs/comparison\.md: run scripts/figures"
    ):
        figures.main(["--check"], checkout)
    assert page.read_text(encoding="utf-8") == changed
    figures.main([], checkout)
    assert page.read_text(encoding="utf-8") == right
    assert capsys.readouterr().out.endswith("wrote docs/comparison.md\n")


def test_a_chart_that_is_older_than_the_figures_is_noticed(checkout: Path) -> None:
    kept = load(checkout / "docs/figures.json")
    slower = [row | {"after_ms": 2 * row["after_ms"]} for row in kept.rows("start", "first answer")]
    kept.results["start"] = replace(kept.result("start"), tables={"first answer": slower})
    store(kept, checkout / "docs/figures.json")
    with pytest.raises(SystemExit, match=r"docs/bench\.md, docs/start\.svg"):
        figures.main(["--check"], checkout)


def test_figures_that_are_older_than_their_code_are_told(tmp_path: Path) -> None:
    paths = bench_list.BENCHMARKS["start"].paths
    for path in paths:
        file = tmp_path / path / ("one.py" if not path.endswith(".py") else "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("first")
    measured = replace(result().measured, code=digest(paths, tmp_path))
    known = Figures({"start": Result(measured, {})})
    places = [figures.Place("docs/bench.md", "start.table", frozenset({"start"}))]

    def told() -> list[str]:
        lines = list(figures.older(known, places, tmp_path))
        assert "peers: never measured" in lines
        return [line for line in lines if "never measured" not in line]

    assert told() == []
    cache = tmp_path / paths[0] / "__pycache__"
    cache.mkdir()
    (cache / "one.pyc").write_bytes(b"compiled")
    assert told() == []
    (tmp_path / paths[0] / "one.py").write_text("second")
    assert told() == [f"start, 2026-11-27, abc: {paths[0]}", "  in docs/bench.md (start.table)"]
    (tmp_path / paths[0] / "one.py").write_text("first")
    assert told() == []
    (tmp_path / paths[0] / "two.py").write_text("")
    assert told() != []


def test_the_code_of_every_benchmark_is_there() -> None:
    for name, benchmark in bench_list.BENCHMARKS.items():
        assert [path for path in benchmark.paths if not (ROOT / path).exists()] == [], name


def test_the_file_is_as_it_would_be_stored_and_names_no_place(tmp_path: Path) -> None:
    known = load()
    store(known, tmp_path / "figures.json")
    assert (tmp_path / "figures.json").read_text(encoding="utf-8") == FIGURES.read_text(encoding="utf-8")
    assert set(known.results) == set(bench_list.BENCHMARKS)
    for name, one in known.results.items():
        assert re.fullmatch(r"\d+ cores? of an? [\w ()-]+", one.measured.machine), name
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", one.measured.date), name


def test_one_result_takes_the_place_of_its_last_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    merge(path, "start", result("2026-01-01", one=[{"a": 1}], two=[]))
    merge(path, "serve", result("2026-01-02", one=[{"b_ms": 0.123456789, "c": None, "d": "ü"}]))
    merge(path, "start", result("2026-01-03", three=[{"a": 2}]))
    known = load(path).results
    assert known["start"].tables == {"three": [{"a": 2}]}
    assert known["start"].measured.date == "2026-01-03"
    assert known["serve"].tables == {"one": [{"b_ms": 0.123457, "c": None, "d": "ü"}]}
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"start": {}}', '{"start": {"measured": {"host": 1}, "tables": {}}}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(ValueError, match=r"figures\.json is not a file of figures"):
        load(tmp_path / "figures.json")


@pytest.fixture
def benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`start`, which measures what is written here, and others that fail."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "bench_good.py").write_text(
        f"def tables(rounds):\n    return {{'first answer': [{START!r}] * rounds}}\n"
    )
    (scripts / "bench_bad.py").write_text("import os\ndef tables():\n    os.abort()\n")
    monkeypatch.syspath_prepend(str(scripts))
    found = {
        "bad": bench_list.Benchmark("bench_bad", (), 1),
        "start": bench_list.Benchmark("bench_good", ("preinit/errors",), 1, {"rounds": 2}),
    }
    monkeypatch.setattr(bench_all, "BENCHMARKS", found)
    yield


@pytest.mark.usefixtures("benchmarks")
def test_a_benchmark_that_fails_loses_no_other_result(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    merge(path, "bad", result("2026-01-01", kept=[{"a": 1}]))
    assert bench_all.run(["bad", "start"], path) == ["bad"]
    known = load(path)
    assert known.results["bad"].measured.date == "2026-01-01"
    assert known.rows("start", "first answer") == [START, START]
    measured = known.measured("start")
    assert measured.code == digest(("preinit/errors", "scripts/bench_good.py"))
    assert measured.settings == {"rounds": 2}
    assert measured.machine.split()[1] in ("core", "cores")
    assert "/" not in measured.machine


def test_a_result_that_lacks_what_pages_show_does_not_replace_one_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    store(started(), path)
    lacking = result(**{"first answer": [START]})
    assert "start has no row of 'first answer' with module 'javy'" in str(bench_all.keep(lacking, "start", path))
    assert load(path).rows("start", "first answer") == [START, JAVY]
    newer = result(**{"first answer": [START | {"times": 300}, JAVY]})
    assert bench_all.keep(newer, "start", path) is None
    assert load(path).value("start", "first answer", "times") == 300


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", "Intel Xeon"),
        ("AMD EPYC 7B13 64-Core Processor", "AMD EPYC"),
        ("AMD EPYC", "AMD EPYC"),
        ("", "unknown processor"),
    ],
)
def test_a_machine_is_named_by_its_maker_and_family(model: str, name: str) -> None:
    assert bench_table.processor(model) == name


def test_rows_are_printed_with_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    bench_table.show([{"module": "a", "wall_s": 0.1234, "output_bytes": 12345}, {"module": "b", "wall_s": None}])
    assert capsys.readouterr().out == (
        "| module | wall, s | output, bytes |\n|---|---:|---:|\n| a | 0.123 | 12,345 |\n| b |  |  |\n\n"
    )
