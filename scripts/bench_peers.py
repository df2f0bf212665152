"""Runs preinit and each peer that is installed in turn on the same modules; prints medians and ratios as Markdown."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bench_peers_library as library
from bench_peers_measure import INTERVAL, Measurement, run
from bench_peers_tools import ROOT, ROUNDS, Contender, Subject, subjects, tools, versions

from preinit.options import LAYOUTS

_CHUNK = 1 << 20


class Samples:
    """What one contender did with one module; `refusal` is what it said if it could not build it."""

    def __init__(self) -> None:
        self.runs: list[Measurement] = []
        self.sizes: list[tuple[int, int]] = []
        self.refusal = ""

    def add(self, measured: Measurement, output: Path) -> None:
        if measured.complaint:
            self.refusal = measured.complaint
        else:
            self.runs.append(measured)
            self.sizes.append(sizes(output))

    def medians(self) -> dict[str, float]:
        columns = {
            "wall": [run.wall for run in self.runs],
            "cpu": [run.cpu for run in self.runs],
            "peak": [run.peak for run in self.runs],
            "size": [size for size, _ in self.sizes],
            "gzip": [compressed for _, compressed in self.sizes],
        }
        return {name: statistics.median(values) for name, values in columns.items()} if self.runs else {}


def sizes(path: Path) -> tuple[int, int]:
    """Bytes of a file, and of the same with gzip -6. A piece at a time: our own memory stays small, see `run`."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: the largest window, and the container of gzip
    raw = compressed = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            raw += len(chunk)
            compressed += len(squeeze.compress(chunk))
    return raw, compressed + len(squeeze.flush())


def show(rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """A Markdown table that is also easy to read as text; the first row is its head, `left` columns are words."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for index, row in enumerate(rows):
        cells = [text.ljust(widths[i]) if i < left else text.rjust(widths[i]) for i, text in enumerate(row)]
        print(f"| {' | '.join(cells)} |")
        if index == 0:
            print(f"| {' | '.join('-' * w if i < left else '-' * (w - 1) + ':' for i, w in enumerate(widths))} |")
    print(flush=True)


def contenders(found: Sequence[str], folder: Path) -> list[Contender]:
    """Each tool without a cache, then those that have a cache with a fresh one."""
    cached = [tool for tool in found if tool != "wizer"]
    return [Contender(tool) for tool in found] + [Contender(t, folder / f"cache-{t.split()[0]}") for t in cached]


def measure(subject: Subject, rounds: int, entrants: Sequence[Contender], folder: Path) -> dict[Contender, Samples]:
    samples = {entrant: Samples() for entrant in entrants}
    output, said = folder / "out.wasm", folder / "said"
    for turn in range(-1, rounds):
        for entrant in entrants:
            if samples[entrant].refusal or (turn < 0 and not entrant.cache):
                continue
            if entrant.cache:
                entrant.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            print(f"{subject.name}: {entrant.tool}, {entrant.temperature}", file=sys.stderr)
            output.unlink(missing_ok=True)
            measured = run(entrant.command(subject, output), entrant.env(), said)
            if turn >= 0 or measured.complaint:  # the turn before the first fills the caches
                samples[entrant].add(measured, output)
    return samples


def median_rows(samples: dict[Contender, Samples]) -> Iterator[list[str]]:
    yield ["tool", "cache", "wall s", "CPU s", "peak MiB", "output bytes", "gzip -6 bytes"]
    for entrant, taken in samples.items():
        if not taken.refusal:
            m = taken.medians()
            times = [f"{m['wall']:.3f}", f"{m['cpu']:.3f}", f"{m['peak'] / 2**20:,.1f}"]
            yield [entrant.tool, entrant.temperature, *times, f"{m['size']:,.0f}", f"{m['gzip']:,.0f}"]
        else:
            yield [entrant.tool, entrant.temperature, "refuses", "", "", "", ""]


def ratio_rows(samples: dict[Contender, Samples]) -> Iterator[list[str]]:
    """preinit / peer: like with like, and for a peer without a cache preinit's second build, too."""
    yield ["preinit / peer", "wall", "CPU", "peak", "output", "gzip -6"]
    for ours, taken in samples.items():
        for theirs, others in samples.items():
            alike = ours.temperature == theirs.temperature or theirs.tool == "wizer"
            if ours.tool == "preinit" and theirs.tool != "preinit" and alike and taken.runs and others.runs:
                mine, peers = taken.medians(), others.medians()
                label = f"{ours.temperature} / {theirs.tool}, {theirs.temperature}"
                yield [label, *(f"{mine[name] / peers[name]:.3f}" if peers[name] else "?" for name in mine)]


def layout_rows(
    subject: Subject, samples: dict[Contender, Samples], ours: Contender, folder: Path
) -> Iterator[list[str]]:
    peers = {e.tool: s.sizes[-1] for e, s in samples.items() if e.tool != "preinit" and s.sizes}
    heads = (f"{what} / {peer}" for peer in peers for what in ("bytes", "gzip"))
    yield ["layout", "output bytes", "gzip -6 bytes", *heads]
    output = folder / "out.wasm"
    for layout in LAYOUTS:
        measured = run(ours.command(subject, output, layout), ours.env(), folder / "said")
        if measured.complaint:
            sys.exit(f"{subject.name}, layout {layout}: {measured.complaint}")
        mine = sizes(output)
        ratios = (f"{a / b:.3f}" for theirs in peers.values() for a, b in zip(mine, theirs, strict=True))
        yield [layout, f"{mine[0]:,}", f"{mine[1]:,}", *ratios]


def machine() -> dict[str, str]:
    facts = {
        "CPU": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load at the start": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    memory = _field("/proc/meminfo", "MemTotal").split()
    return facts | ({"memory": f"{int(memory[0]) / 2**20:.1f} GiB"} if memory else {})


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def fetch(script: str, *names: str) -> None:
    done = subprocess.run([ROOT / "scripts" / script, *names], stdout=sys.stderr, check=False)
    if done.returncode:
        print(f"scripts/{script} failed; what is there is measured", file=sys.stderr)


def warm_up(found: Sequence[str], folder: Path) -> None:
    """Compiles our bytecode and brings the programs into memory, so that the first round is like the others."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "preinit"], check=False)
    tiny = next(subjects(["tiny"], folder))
    for tool in found:
        run(Contender(tool).command(tiny, folder / "out.wasm"), Contender(tool).env(), folder / "said")


def bench(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    about = {"machine": machine(), "versions": versions()}
    found = tools()
    for peer in ("wizer", "wasmtime wizer"):
        if peer not in found:
            print(f"skipped {peer}: scripts/fetch_peers could not install it\n", flush=True)
    warm_up(found, folder)
    results: dict[str, Any] = {}
    for subject in subjects(arguments.modules, folder):
        rounds = arguments.rounds or ROUNDS[subject.name]
        raw, compressed = sizes(subject.path)
        print(f"**{subject.name}**: {raw:,} bytes ({compressed:,} with gzip -6); medians of {rounds}\n", flush=True)
        entrants = contenders(found, folder / subject.name)
        samples = measure(subject, rounds, entrants, folder)
        show(list(median_rows(samples)), left=2)
        for tool, refusal in {e.tool: s.refusal for e, s in samples.items() if s.refusal}.items():
            print(f"{tool} refuses {subject.name}: {refusal}\n")
        ratios = list(ratio_rows(samples))
        if len(ratios) > 1:
            show(ratios)
        if arguments.layouts:
            show(list(layout_rows(subject, samples, next(e for e in entrants if e.cache), folder)))
        results[subject.name] = {
            f"{e.tool}, {e.temperature}": {
                "command": e.command(subject, Path("OUT")),
                "runs": [measured._asdict() for measured in s.runs],
                "sizes": s.sizes,
                "refusal": s.refusal,
            }
            for e, s in samples.items()
        }
    starts = library.imports(folder)
    warm = library.builds(next(subjects(["tiny"], folder)).path, folder)
    print(f"**library**: medians of {library.STARTS} starts and {library.BUILDS} builds\n")
    show(library.table(starts, warm))
    show([["what", "which"], *([k, v] for facts in about.values() for k, v in facts.items())], left=2)
    return about | {"modules": results, "library": {"starts": starts, "builds": warm}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_peers", description=__doc__)
    parser.add_argument("--modules", type=lambda text: text.split(","), default=list(ROUNDS), metavar="NAME,...")
    default = ", ".join(f"{rounds} for {name}" for name, rounds in ROUNDS.items())
    parser.add_argument("--rounds", type=int, metavar="N", help=f"default: {default}")
    parser.add_argument("--layouts", action="store_true", help="also the sizes of each of preinit's layouts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.modules if name not in ROUNDS]
    if unknown:
        parser.error(f"there is no module {unknown[0]!r}; one of {', '.join(ROUNDS)}")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("there must be one round at least")
    real = [name for name in arguments.modules if name != "tiny"]
    if real:
        fetch("fetch_real", *real)
    fetch("fetch_peers")
    with tempfile.TemporaryDirectory(prefix="preinit-bench-") as folder:
        results = bench(arguments, Path(folder))
    print(f"Peak: resident memory of all processes, seen every {INTERVAL * 1e3:.0f} ms. Ratios are of medians.")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
