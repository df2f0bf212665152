"""What data segments cost when a module starts: in V8 (Node) and in wasmtime, by their number, size and distance."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import wasmtime
from bench_table import Tables, footer, show

from preinit.binary import encoder as write
from preinit.binary.constexpr import offset_constant
from preinit.binary.module import SectionId
from preinit.binary.types import Limits

NODE = Path(__file__).with_suffix(".mjs")
PAGE = 1 << 16


class Shape(NamedTuple):
    """So many segments at equal distances, with so many bytes of data in all, in a memory of so many pages."""

    segments: int
    data: int
    span: int


SHAPES = [
    Shape(segments, data << 20, span << 20)
    for data, span in ((1, 12), (8, 12), (1, 40), (8, 40), (19, 40), (21, 40))
    for segments in (100, 1_000, 20_000)
] + [Shape(1, size << 20, size << 20) for size in (1, 12, 40)]


def module_of(shape: Shape) -> bytes:
    size = shape.data // shape.segments
    step = (shape.span - size) // max(1, shape.segments - 1) if shape.segments > 1 else 0
    content = bytes(1 + place % 255 for place in range(size))
    head = write.uleb(size) + content
    entries = [b"\0" + offset_constant(place * step, False) + head for place in range(shape.segments)]
    memory = write.limits(Limits(-(-shape.span // PAGE), None))
    parts = [
        write.section(SectionId.MEMORY, write.vector([memory])),
        write.section(SectionId.DATA, write.vector(entries)),
    ]
    return write.assemble(parts)


def in_wasmtime(wasm: bytes, most: int) -> float:
    """Milliseconds that a start takes with the engine's own settings, median."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, wasm)
    taken: list[float] = []
    ended = time.perf_counter() + 2
    while len(taken) < most and (len(taken) < 3 or time.perf_counter() < ended):
        store = wasmtime.Store(engine)
        began = time.perf_counter()
        wasmtime.Instance(store, module, [])
        taken.append(time.perf_counter() - began)
        del store
    return statistics.median(taken) * 1000


def tables(rounds: int = 200) -> Tables:
    """Milliseconds of each shape, the medians of at most so many starts in wasmtime."""
    if not shutil.which("node"):
        sys.exit("Node is missing")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.wasm"
        for shape in SHAPES:
            wasm = module_of(shape)
            path.write_bytes(wasm)
            done = subprocess.run(["node", NODE, path], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            row: dict[str, Any] = {"data_mib": shape.data >> 20, "of_mib": shape.span >> 20, "segments": shape.segments}
            row |= {"v8_compile_ms": found["compile"], "v8_start_ms": found["start"]}
            rows.append(row | {"wasmtime_start_ms": in_wasmtime(wasm, rounds)})
    return {"starts": rows}


def main() -> None:
    argparse.ArgumentParser(prog="scripts/bench_segments", description=__doc__).parse_args()
    show(tables()["starts"])
    print(footer(f"wasmtime {version('wasmtime')}"))


if __name__ == "__main__":
    main()
