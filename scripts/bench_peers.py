"""Runs preinit and each peer that is installed in turn on the same modules; prints medians and ratios as Markdown."""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bench_peers_library as library
from bench_peers_measure import INTERVAL, Measurement, run
from bench_peers_tools import ROOT, ROUNDS, Contender, Subject, subjects, tools, versions
from bench_table import Tables, show

from preinit.binary.module import SectionId, parse
from preinit.options import LAYOUTS

_CHUNK = 1 << 20

Row = dict[str, Any]


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
        columns: dict[str, list[float]] = {
            "wall": [run.wall for run in self.runs],
            "cpu": [run.cpu for run in self.runs],
            "peak": [run.peak for run in self.runs],
            "output": [size for size, _ in self.sizes],
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


def build_rows(subject: Subject, samples: Mapping[Contender, Samples]) -> Iterator[Row]:
    """Medians; of a contender that refuses, only that it does."""
    for entrant, taken in samples.items():
        row: Row = {"module": subject.name, "tool": entrant.tool, "cache": entrant.temperature}
        row["input_bytes"] = subject.path.stat().st_size
        if taken.refusal:
            yield row | {"refused": True}
            continue
        m = taken.medians()
        row |= {
            "wall_s": m["wall"],
            "cpu_s": m["cpu"],
            "peak_mib": m["peak"] / 2**20,
            "output_bytes": round(m["output"]),
        }
        yield row | {"gzip_bytes": round(m["gzip"]), "rounds": len(taken.runs)}


def ratio_rows(subject: Subject, samples: Mapping[Contender, Samples]) -> Iterator[Row]:
    """preinit / peer: like with like, and for a peer without a cache preinit's second build, too."""
    for ours, taken in samples.items():
        for theirs, others in samples.items():
            alike = ours.temperature == theirs.temperature or theirs.tool == "wizer"
            if ours.tool == "preinit" and theirs.tool != "preinit" and alike and taken.runs and others.runs:
                mine, peers = taken.medians(), others.medians()
                row: Row = {"module": subject.name, "preinit": ours.temperature, "peer": theirs.tool}
                row["peer_cache"] = theirs.temperature
                yield row | {name: mine[name] / peers[name] if peers[name] else None for name in mine}


def sizes_of(output: Path) -> Row:
    """Of an output, and of its data section alone."""
    raw, compressed = sizes(output)
    return {"output_bytes": raw, "gzip_bytes": compressed, "data_gzip_bytes": data_gzip(output)}


def layout_rows(subject: Subject, peers: Mapping[str, Row], ours: Contender, folder: Path) -> Iterator[Row]:
    """Sizes of each layout, and what they are divided by those of the peers' outputs."""
    output = folder / "out.wasm"
    for layout in LAYOUTS:
        measured = run(ours.command(subject, output, layout), ours.env(), folder / "said")
        if measured.complaint:
            sys.exit(f"{subject.name}, layout {layout}: {measured.complaint}")
        mine = sizes_of(output)
        for peer, theirs in peers.items():
            row: Row = {"module": subject.name, "layout": layout, "peer": peer} | mine
            raw, compressed = (mine[name] / theirs[name] for name in ("output_bytes", "gzip_bytes"))
            yield row | {"raw": raw, "gzip": compressed}


def data_gzip(path: Path) -> int:
    """Bytes of a module's data section with gzip -6."""
    module = parse(path.read_bytes())
    section = module.section(SectionId.DATA)
    return len(gzip.compress(module.payload(section), 6, mtime=0)) if section else 0


def facts() -> dict[str, str]:
    """Of the machine, all that may matter; docs/figures.json has less."""
    found = {
        "CPU": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load at the start": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    memory = _field("/proc/meminfo", "MemTotal").split()
    return found | ({"memory": f"{int(memory[0]) / 2**20:.1f} GiB"} if memory else {})


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


def measured(modules: Sequence[str], rounds: int, folder: Path) -> Iterator[tuple[Subject, dict[Contender, Samples]]]:
    """Fetches what is missing, and measures a module after the other; no `rounds`: as many as are usual for each."""
    if real := [name for name in modules if name != "tiny"]:
        fetch("fetch_real", *real)
    fetch("fetch_peers")
    found = tools()
    for peer in ("wizer", "wasmtime wizer"):
        if peer not in found:
            print(f"skipped {peer}: scripts/fetch_peers could not install it\n", flush=True)
    warm_up(found, folder)
    for subject in subjects(modules, folder):
        entrants = contenders(found, folder / subject.name)
        yield subject, measure(subject, rounds or ROUNDS[subject.name], entrants, folder)


def library_rows(folder: Path) -> list[Row]:
    tiny = next(subjects(["tiny"], folder)).path
    return library.rows(library.imports(folder), library.builds(tiny, folder))


def tables(rounds: int = 0, modules: Sequence[str] = tuple(ROUNDS)) -> Tables:
    """Builds, ratios, and what preinit's library takes in a program."""
    found: Tables = {"builds": [], "ratios": []}
    with tempfile.TemporaryDirectory(prefix="preinit-bench-") as temporary:
        folder = Path(temporary)
        for subject, samples in measured(modules, rounds, folder):
            found["builds"] += build_rows(subject, samples)
            found["ratios"] += ratio_rows(subject, samples)
        return found | {"library": library_rows(folder)}


def layouts(modules: Sequence[str] = ("javy", "ruby", "cpython")) -> Tables:
    """Sizes are the same in each run: every tool builds once."""
    fetch("fetch_real", *modules)
    fetch("fetch_peers")
    rows: list[Row] = []
    others: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="preinit-bench-") as temporary:
        folder = Path(temporary)
        for subject in subjects(modules, folder):
            peers, output = {}, folder / "peer.wasm"
            for tool in tools()[1:]:
                if not run(Contender(tool).command(subject, output), Contender(tool).env(), folder / "said").complaint:
                    peers[tool] = sizes_of(output)
            others += [{"module": subject.name, "tool": tool} | found for tool, found in peers.items()]
            cache = folder / "cache"
            cache.mkdir(mode=0o700, exist_ok=True)
            rows += layout_rows(subject, peers, Contender("preinit", cache), folder)
    return {"layouts": rows, "peers": others}


def bench(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    about = {"machine": facts(), "versions": versions()}
    results: dict[str, Any] = {}
    for subject, samples in measured(arguments.modules, arguments.rounds or 0, folder):
        raw, compressed = sizes(subject.path)
        print(f"**{subject.name}**: {raw:,} bytes ({compressed:,} with gzip -6)\n", flush=True)
        show(list(build_rows(subject, samples)))
        for tool, refusal in {e.tool: s.refusal for e, s in samples.items() if s.refusal}.items():
            print(f"{tool} refuses {subject.name}: {refusal}\n")
        show(list(ratio_rows(subject, samples)))
        results[subject.name] = {
            f"{e.tool}, {e.temperature}": {
                "command": e.command(subject, Path("OUT")),
                "runs": [one._asdict() for one in s.runs],
                "sizes": s.sizes,
                "refusal": s.refusal,
            }
            for e, s in samples.items()
        }
    print(f"**library**: medians of {library.STARTS} starts and {library.BUILDS} builds\n")
    in_program = library_rows(folder)
    show(in_program)
    show([{"what": k, "which": v} for part in about.values() for k, v in part.items()])
    return about | {"modules": results, "library": in_program}


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
    with tempfile.TemporaryDirectory(prefix="preinit-bench-") as folder:
        results = bench(arguments, Path(folder))
    if arguments.layouts:
        for rows in layouts([name for name in arguments.modules if name != "tiny"]).values():
            show(rows)
    print(f"Peak: resident memory of all processes, seen every {INTERVAL * 1e3:.0f} ms. Ratios are of medians.")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
