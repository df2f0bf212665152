"""One engine, many scripts: snapshots by a `Builder`, and by a wizer process each. A part of scripts/bench_scale.

Every script is compiled to bytecode in its snapshot's initializer. wizer's initializers take no data, so it only
initializes the engine: less than what it would have to do. The two take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench_peers_measure import run
from bench_peers_tools import child_env, peer
from bench_steady import SCRIPT
from bench_table import Tables, footer, show
from real import real_modules

from preinit import Builder, Call, build


class Round(NamedTuple):
    """Seconds for all snapshots, from the module's bytes to the last output: on the clock, and of all cores."""

    wall: float
    cpu: float
    first: float
    size: int
    passes: dict[str, float]


def sources(count: int) -> Iterator[bytes]:
    """Different programs of about 1.5 KB."""
    for number in range(count):
        settings = "".join(f"const setting{i} = {number * 31 + i};\n" for i in range(number % 20))
        yield f"// script {number}\n{settings}{SCRIPT.replace('work(TURNS)', f'work({number})')}".encode()


def calls(initializer: str, source: bytes) -> list[str | Call]:
    return [initializer, Call("compile-src", source, returns="result")]


def snapshots(path: Path, initializer: str, count: int) -> Round:
    wasm = path.read_bytes()
    digests = set()
    size = 0
    passes: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    with Builder(wasm, cache=False) as builder:
        for number, source in enumerate(sources(count)):
            result = builder.build(init_funcs=calls(initializer, source))
            if number == 0:
                first = time.perf_counter() - wall
            else:
                for name, seconds in result.report.passes.items():
                    passes[name] = passes.get(name, 0) + seconds
            digests.add(result.report.output.sha256)
            size += len(result.wasm)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert len(digests) == count, "two scripts gave one output"
    assert result.wasm == build(wasm, init_funcs=calls(initializer, source), cache=False).wasm
    assert hashlib.sha256(result.wasm).hexdigest() in digests
    return Round(wall, cpu, first, size // count, passes)


def tables(rounds: int = 5, scripts: int = 200) -> Tables:
    """Medians; without wizer, only ours."""
    found = [entry for entry in real_modules() if entry.name == "javy"]
    if not found:
        sys.exit("javy is missing: `scripts/fetch_real javy` fetches it")
    path, initializer = Path(found[0].path), found[0].init_funcs[0]
    wizer = peer("wizer")
    if not wizer:
        print("wizer is missing: `scripts/fetch_peers` fetches it", file=sys.stderr)
    ours, walls, cpus = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        output, said = Path(folder, "out.wasm"), Path(folder, "said")
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
            ours.append(snapshots(path, initializer, scripts))
            if wizer:
                command = [str(wizer), "--allow-wasi", str(path), "-f", initializer, "-o", str(output)]
                measured = run(command, child_env(), said)
                if measured.complaint:
                    sys.exit(f"wizer: {measured.complaint}")
                walls.append(measured.wall)
                cpus.append(measured.cpu)
    wall, cpu = (statistics.median(part) / scripts for part in ([r.wall for r in ours], [r.cpu for r in ours]))
    rows: list[dict[str, Any]] = [
        {"tool": "preinit.Builder", "wall_s": wall, "cpu_s": cpu, "a_second_and_core": 1 / cpu}
    ]
    ratios = []
    if wizer:
        theirs, theirs_cpu = statistics.median(walls), statistics.median(cpus)
        rows.append({"tool": "wizer", "wall_s": theirs, "cpu_s": theirs_cpu, "a_second_and_core": 1 / theirs_cpu})
        ratios.append({"wizer / preinit": "", "wall": theirs / wall, "cpu": theirs_cpu / cpu})
    passes = {name: sum(r.passes.get(name, 0) for r in ours) / rounds / (scripts - 1) for name in ours[0].passes}
    first = {"first_s": statistics.median(r.first for r in ours), "output_bytes": ours[0].size}
    shown = [{"pass": name, "time_ms": taken * 1000} for name, taken in passes.items() if taken >= 0.00005]
    return {"a snapshot": rows, "ratios": ratios, "first": [first], "passes of the others": shown}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_scale --parts builder", description=__doc__)
    parser.add_argument("--scripts", type=int, default=200, metavar="N", help="default: 200")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    arguments, _ = parser.parse_known_args()
    count, rounds = arguments.scripts, arguments.rounds
    if count < 2 or rounds < 1:
        parser.error("at least 2 scripts and 1 round")
    for rows in tables(rounds, count).values():
        show(rows)
    print(footer(f"{count} scripts, medians of {rounds} rounds in turn"))


if __name__ == "__main__":
    main()
