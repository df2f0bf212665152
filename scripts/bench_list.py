"""The benchmarks: which script measures what, how often, and which code their figures depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent

#: The code that builds run through, and what starts of their outputs do.
BUILDS = tuple(f"preinit/{room}" for room in ("binary", "cli", "engine", "files", "host", "options", "passes"))
OUTPUTS = tuple(f"preinit/passes/{name}" for name in ("capture", "rewrite"))
COPIES = (*OUTPUTS, "preinit/engine/copies")
SERVED = (*COPIES, "preinit/host", "preinit/serve")


@dataclass(frozen=True)
class Benchmark:
    """A function of a script that gives tables.

    `code`: the paths of the program that its figures depend on. `settings`: arguments that say how often and how much;
    `arguments`: others. `tools`: what else takes part. `minutes`: about what it takes on two quiet cores.
    """

    script: str
    code: Sequence[str]
    minutes: float
    settings: Mapping[str, int] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[str] = ("wasmtime",)
    function: str = "tables"

    @property
    def paths(self) -> tuple[str, ...]:
        """The code, and the script that measures it; what only that one has begins with its name: bench_peers_tools."""
        scripts = sorted(path.name for path in SCRIPTS.glob(f"{self.script}*.py"))
        return (*self.code, *(f"scripts/{name}" for name in scripts or [f"{self.script}.py"]))


BENCHMARKS: dict[str, Benchmark] = {
    "start": Benchmark("bench_start", OUTPUTS, 0.3, {"rounds": 41}),
    "by_hand": Benchmark("bench_by_hand", (*OUTPUTS, "preinit/bench"), 1, {"rounds": 15}),
    "example": Benchmark("bench_example", (*OUTPUTS, "preinit/bench", "preinit/report"), 0.3),
    "functions": Benchmark("bench_example", ("preinit/engine",), 0.3, function="functions"),
    "peers": Benchmark("bench_peers", BUILDS, 25, tools=("wasmtime", "python", "wizer", "wasmtime wizer")),
    "layouts": Benchmark("bench_peers", OUTPUTS, 6, tools=("wizer", "wasmtime wizer"), function="layouts"),
    "components": Benchmark("bench_components", BUILDS, 20, {"rounds": 5}, tools=("wasmtime", "wasmtime wizer")),
    "wizer_tools": Benchmark("bench_wizer_tools", BUILDS, 10, {"rounds": 3}, tools=("wasmtime", "node")),
    "wizer_sizes": Benchmark("wizer_sizes", (*OUTPUTS, "preinit/host"), 30, {"rounds": 5}, tools=("node",)),
    "shapes": Benchmark("compare_shapes", BUILDS, 2, tools=("wizer", "wasmtime wizer", "binaryen")),
    "component_shapes": Benchmark(
        "compare_shapes", BUILDS, 2, arguments={"kind": "components"}, tools=("wasmtime wizer",)
    ),
    "steady": Benchmark("bench_steady", ("preinit/engine",), 3, {"rounds": 3, "turns": 400}),
    "inspect": Benchmark("bench_inspect", ("preinit/binary", "preinit/inspection", "preinit/report"), 1, {"rounds": 3}),
    "segments": Benchmark("bench_segments", (), 1, {"rounds": 200}, tools=("wasmtime", "node")),
    "pause": Benchmark("bench_pause", SERVED, 2, {"rounds": 9, "requests": 1000}),
    "capture": Benchmark("bench_capture", ("preinit/node", *OUTPUTS), 15, {"rounds": 5}, tools=("node",)),
    "builder": Benchmark("bench_scale_builder", BUILDS, 1, {"rounds": 5, "scripts": 200}, tools=("wasmtime", "wizer")),
    "serve": Benchmark(
        "bench_scale_serve",
        SERVED,
        1,
        {"rounds": 51, "requests": 10_000},
        {"names": ("cgi", "lisp")},
    ),
    "serve_runtimes": Benchmark(
        "bench_scale_serve",
        SERVED,
        5,
        {"rounds": 11, "requests": 400},
        {"names": ("cgi", "perl", "ruby")},
    ),
    "copies": Benchmark("bench_scale_copies", (*COPIES, "preinit/bench"), 4, {"copies": 5000}),
}
