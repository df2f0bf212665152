"""Runs the example of docs/bench.md that times by hand, and `preinit bench` on the same modules: both should agree."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import statistics
import tempfile
from pathlib import Path

from bench_table import Tables, footer, show

from preinit import bench, build

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/bench.md"
MODULE = ROOT / "fixtures/primes/primes.wasm"
#: The block of docs/bench.md that times something.
EXAMPLE = re.compile(r"^```python\n((?:(?!```).)*perf_counter.*?)^```", re.DOTALL | re.MULTILINE)
#: What the two may differ by.
TOLERANCE = 0.2


def example() -> str:
    found = EXAMPLE.search(PAGE.read_text(encoding="utf-8"))
    assert found, "docs/bench.md has no such example"
    return found[1]


def by_hand(source: str, ready: Path) -> tuple[float, float]:
    """Milliseconds that the example prints: of the original, of the output."""
    said = io.StringIO()
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(source.replace("primes-ready.wasm", str(ready)), "docs/bench.md", "exec"), {})
    finally:
        os.chdir(before)
    numbers = list(map(float, re.findall(r"([\d.]+) ms", said.getvalue())))
    return numbers[0], numbers[1]


def tables(rounds: int = 15) -> Tables:
    """Milliseconds of a start, the medians, of both sides, by both ways."""
    hands: list[tuple[float, float]] = []
    tools: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.wasm")
        ready.write_bytes(build(str(MODULE)).wasm)
        source = example()
        for _ in range(rounds):  # in turn: what else the machine does strikes both
            hands.append(by_hand(source, ready))
            found = bench.measure(str(MODULE), ready, seconds=2)
            tools.append((found.original.start.median * 1000, found.output.start.median * 1000))
    rows = []
    for side, name in enumerate(("original", "output")):
        hand, tool = (statistics.median(pair[side] for pair in pairs) for pairs in (hands, tools))
        rows.append({"start": name, "by_hand_ms": hand, "tool_ms": tool, "ratio": tool / hand})
    return {"start": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_by_hand", description=__doc__)
    parser.add_argument("rounds", metavar="ROUNDS", nargs="?", type=int, default=15, help="1 or more; 15 if left out")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("ROUNDS must be 1 or more")
    rows = tables(rounds)["start"]
    show(rows)
    print(footer(f"medians of {rounds} turns"))
    agree = all(abs(row["ratio"] - 1) <= TOLERANCE for row in rows)
    print(f"they {'agree' if agree else 'do NOT agree'} within {TOLERANCE:.0%}")
    raise SystemExit(not agree)


if __name__ == "__main__":
    main()
