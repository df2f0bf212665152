"""Runs benchmarks, one after the other, and puts what they measured into one file: docs/figures.json.

Each runs in a process of its own: what one leaves behind, its memory or its failure, touches no other one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench_list import BENCHMARKS, Benchmark
from scripts.chart import chart
from scripts.figures_file import FIGURES, ROOT, Figures, Measured, MissingFigure, Result, Tables, digest, load, merge
from scripts.figures_tables import TABLES
from scripts.figures_words import WORDS


def measure(benchmark: Benchmark) -> Result:
    """Runs a benchmark here and now."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import bench_table as bench

    from preinit.version import VERSION

    code = digest(benchmark.paths)  # before: what is changed meanwhile is not what was measured
    commit, busy = bench.commit(ROOT), bench.others()
    tables: Tables = getattr(import_module(benchmark.script), benchmark.function)(
        **benchmark.settings, **benchmark.arguments
    )
    still_busy = bench.others()
    return Result(
        Measured(
            machine=bench.machine(),
            busy=max(busy or 0, still_busy or 0) > bench.QUIET,
            date=bench.today(),
            commit=commit,
            version=VERSION,
            settings=benchmark.settings,
            tools={tool: version_of(tool) for tool in benchmark.tools},
            code=code,
        ),
        tables,
    )


def version_of(tool: str) -> str:
    """Of a tool that takes part, as it says itself or as it is pinned."""
    import bench_table as bench
    from fetch_peers import PEERS, installed

    match tool:
        case "node":
            return bench.node_version()
        case "python":
            return platform.python_version()
        case "wizer":
            return PEERS["wizer"]["version"]
        case "binaryen":
            return PEERS["wasm-ctor-eval"]["version"].removesuffix(".0.0")
        case "wasmtime wizer":
            words = bench.said(str(installed("wasmtime")), "--version").split()
            return words[1] if len(words) > 1 else ""
    return version(tool)


def work(name: str, benchmark: Benchmark, path: Path) -> None:
    """What a process of its own does: its result is all that a file of its own has."""
    merge(path, name, measure(benchmark))


def run(names: Sequence[str], path: Path) -> list[str]:
    """Runs these, each in a process of its own, and merges each result as soon as it is there. Those that failed."""
    failed = []
    context = multiprocessing.get_context("spawn")
    for number, name in enumerate(names, 1):
        print(
            f"{number} of {len(names)}: {name}, about {BENCHMARKS[name].minutes:g} minutes", file=sys.stderr, flush=True
        )
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, "figures.json")
            process = context.Process(target=work, args=(name, BENCHMARKS[name], own))
            process.start()
            process.join()
            if process.exitcode or not own.exists():
                failed.append(name)
                print(f"{name} failed: what the file has of it stays", file=sys.stderr)
                continue
            problem = keep(load(own).results[name], name, path)
        if problem:
            failed.append(name)
            print(f"{name} is not whole, what the file has of it stays: {problem}", file=sys.stderr)
        print(f"{name} took {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr, flush=True)
    return failed


def keep(result: Result, name: str, path: Path) -> str | None:
    """Merges a result, unless it lacks a figure that pages show and that the last one had: says which one."""
    figures = load(path)
    before = missing(figures)
    figures.results[name] = result
    new = {shown: problem for shown, problem in missing(figures).items() if shown not in before}
    if new:
        return next(iter(new.values()))
    merge(path, name, result)
    return None


def missing(figures: Figures) -> dict[str, str]:
    """What can't be written for want of a figure, and why."""
    found = {}
    for shown, write in {**TABLES, **WORDS, "chart": chart}.items():
        try:
            write(figures)
        except MissingFigure as problem:
            found[shown] = str(problem)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_all", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; all if left out, see --list")
    parser.add_argument("--json", type=Path, default=FIGURES, metavar="FILE", help="default: docs/figures.json")
    parser.add_argument("--list", action="store_true", help="print the benchmarks, and about how long each takes")
    given = parser.parse_args()
    if given.list:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:<18}{benchmark.minutes:>6g} min  scripts/{benchmark.script}")
        return
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]!r}; one of {', '.join(BENCHMARKS)}")
    failed = run(given.names or list(BENCHMARKS), given.json)
    print("scripts/figures writes the pages", file=sys.stderr)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
