"""Tools that call wizer, with wizer and with preinit-wizer in turn: time and memory of that step and of all."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import wizer_sizes
from bench_table import Tables, footer, show
from wizer_tools import (
    SCRIPTS,
    TOOLS,
    TREE,
    WIZERS,
    answer_request,
    call_component,
    componentize,
    js_compute,
    preinit_wizer,
    program,
    version_of,
)

WORLD = """package local:app;
world app { export greet: func(name: string) -> string; export fib: func(n: u32) -> u32; }"""
COMPONENT = """const squares = [...Array(100).keys()].map(n => n * n);
export function greet(name) { return `Hello, ${name}! ${squares[12]}`; }
export function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }"""
COMPUTE = """const table = new Map([...Array(1000).keys()].map(n => [n, n * n]));
addEventListener("fetch", event => event.respondWith(
  new Response(`${table.get(12)} ${new URL(event.request.url).pathname}`)));"""


class Tool(NamedTuple):
    """`make(output, wizer)` makes something, `ask(output)` says what that answers."""

    name: str
    make: Callable[[Path, Path], object]
    ask: Callable[[Path], object]


def tools(folder: Path) -> list[Tool]:
    for name, text in (("app.js", COMPONENT), ("app.wit", WORLD), ("compute.js", COMPUTE)):
        (folder / name).write_text(text)

    def compute(output: Path, wizer: Path) -> None:
        done = js_compute(folder / "compute.js", output, wizer)
        if done.returncode:
            raise RuntimeError(done.stderr)

    return [
        Tool(
            "componentize-js",
            lambda output, wizer: componentize(folder / "app.js", folder / "app.wit", output, wizer),
            lambda output: call_component(output, folder / output.stem, ("greet", "world"), ("fib", 20)),
        ),
        Tool("js-compute", compute, lambda output: answer_request(output, "https://example.test/path")),
    ]


def measured(tool: Tool, wizer: Path, output: Path, record: Path) -> dict[str, Any]:
    """The seconds of all, and what the program in between took."""
    record.unlink(missing_ok=True)
    began = time.perf_counter()
    tool.make(output, wizer)
    whole = time.perf_counter() - began
    (step,) = (json.loads(line) for line in record.read_text().splitlines())
    return {**step, "whole": whole}


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def tables(rounds: int = 3) -> Tables:
    """Medians: first without compiled code in a cache, then with it."""
    if not TREE.exists() or not shutil.which("node"):
        sys.exit("the tools are missing: install Node, then run `scripts/fetch_real wizer-tools`")
    os.environ.pop("PREINIT_CACHE_DIR", None)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours, record = preinit_wizer(folder / "preinit-wizer"), folder / "record"
        for tool in tools(folder):
            programs = {"wizer": WIZERS[tool.name], "preinit-wizer": ours}
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
            again: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
            for _ in range(rounds):  # in turn: what else the machine does strikes both
                for name, path in programs.items():
                    # Both keep compiled code there; componentize-js gives its programs an environment of their own.
                    place = f"XDG_CACHE_HOME={tempfile.mkdtemp(dir=folder)}"
                    command = [sys.executable, SCRIPTS / "wizer_step.py", record, "/usr/bin/env", place, path]
                    step = program(folder / f"{name}-step", command)
                    output = folder / f"{tool.name}-{name}.wasm"
                    for runs in (found, again):
                        runs[name].append(measured(tool, step, output, record))
            outputs = {name: folder / f"{tool.name}-{name}.wasm" for name in programs}
            answers = [tool.ask(output) for output in outputs.values()]
            if answers[0] != answers[1]:
                sys.exit(f"{tool.name} answers {answers[1]}, and with wizer {answers[0]}")
            versions = {"wizer": f"wizer {version_of(WIZERS[tool.name])}", "preinit-wizer": "preinit-wizer"}
            for name, output in outputs.items():
                cold, warm = ({key: _median(runs[name], key) for key in runs[name][0]} for runs in (found, again))
                data = output.read_bytes()
                row: dict[str, Any] = {
                    "tool": tool.name,
                    "version": version_of(TOOLS[tool.name]),
                    "program": versions[name],
                }
                row |= {"wall_s": cold["wall"], "cpu_s": cold["cpu"], "peak_mib": cold["peak"] / 2**20}
                row |= {"whole_s": cold["whole"], "again_s": warm["wall"], "again_cpu_s": warm["cpu"]}
                rows.append(row | {"output_bytes": len(data), "gzip_bytes": len(gzip.compress(data, 6))})
    return {"tools": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_wizer_tools", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--sizes", action="store_true", help="how large the outputs of ten scripts are, instead")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds must be 1 or more")
    for rows in (wizer_sizes.tables(given.rounds) if given.sizes else tables(given.rounds)).values():
        show(rows)
    print(footer(f"medians of {given.rounds} rounds in turn"))


if __name__ == "__main__":
    main()
