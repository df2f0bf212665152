"""`preinit inspect` on the real modules and on their outputs next to them: whole processes, medians."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_table import Tables, footer, show
from real import real_modules

PREINIT = [sys.executable, "-m", "preinit"]


def measure(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds on the clock and of CPU time, and peak memory in MiB, of one process."""
    started = time.perf_counter()
    process = subprocess.Popen([*PREINIT, "inspect", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0, "it failed"
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def tables(rounds: int = 5) -> Tables:
    """Of each real module and its output: medians of whole processes."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        out, page = Path(folder, "out.wasm"), Path(folder, "page.html")
        for real in real_modules():
            options = [option for name in real.init_funcs for option in ("-f", name)]
            options += [option for host, guest in real.dirs for option in ("--dir", f"{host}::{guest}")]
            command = [*PREINIT, "build", real.path, *options, "-q", "--quiet-guest", "-o", str(out)]
            subprocess.run(command, check=True)  # not here: a process's peak counts that of the one that started it
            for what, arguments in (
                ("the input", [real.path]),
                ("the output against it", [str(out), "--against", real.path]),
                ("the same as a page", [str(out), "--against", real.path, "--html", str(page)]),
            ):
                found = [measure(arguments) for _ in range(rounds)]
                seconds, cpu, peak = (statistics.median(part) for part in zip(*found, strict=True))
                size = page.stat().st_size if "--html" in arguments else None
                row = {"module": real.name, "what": what, "bytes": Path(arguments[0]).stat().st_size}
                rows.append(row | {"wall_s": seconds, "cpu_s": cpu, "peak_mib": peak, "page_bytes": size})
    return {"inspect": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_inspect", description=__doc__)
    parser.add_argument("rounds", metavar="ROUNDS", nargs="?", type=int, default=5, help="1 or more; 5 if left out")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("ROUNDS must be 1 or more")
    show(tables(rounds)["inspect"])
    print(footer(f"medians of {rounds} rounds"))


if __name__ == "__main__":
    main()
