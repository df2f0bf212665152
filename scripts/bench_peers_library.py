"""What `import preinit` costs, and a build in a process that has already built."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench_peers_measure import run
from bench_peers_tools import child_env

STARTS = 21
BUILDS = 100

#: What a fresh Python runs. `preinit` imports its engine on first use: the last line shows what that costs.
_STARTS = {"pass": "pass", "import preinit": "import preinit", "preinit.build": "import preinit; preinit.build"}

_WARM = """
import json, sys, time
import preinit
wasm, count, cached, folder = open(sys.argv[1], "rb").read(), int(sys.argv[2]), sys.argv[3] == "on", sys.argv[4]
times = []
for index in range(count + 1):
    start = time.perf_counter()
    preinit.build(wasm, cache=cached, cache_dir=folder)
    times.append(time.perf_counter() - start)
json.dump(times[1:], sys.stdout)
"""


def imports(folder: Path) -> dict[str, list[float]]:
    """Seconds of each run of Python, by what it ran; interleaved."""
    seconds: dict[str, list[float]] = {name: [] for name in _STARTS}
    for turn in range(STARTS + 1):
        for name, code in _STARTS.items():
            measured = run([sys.executable, "-c", code], child_env(), folder / "said")
            if measured.complaint:
                sys.exit(f"python -c {code!r}: {measured.complaint}")
            if turn:  # the first one may still compile Python's modules
                seconds[name].append(measured.wall)
    return seconds


def builds(tiny: Path, folder: Path) -> dict[str, list[float]]:
    """Seconds of each build of the module `tiny` in one process after a first one, by "on" and "off" of the cache."""
    seconds = {}
    for cached in ("on", "off"):
        command = [sys.executable, "-c", _WARM, str(tiny), str(BUILDS), cached, str(folder / "library")]
        done = subprocess.run(command, env=child_env(), stdout=subprocess.PIPE, timeout=600, check=True)
        seconds[cached] = json.loads(done.stdout)
    return seconds


def rows(starts: dict[str, list[float]], warm: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Milliseconds: of a Python that starts, and of a build of `tiny` in one that has built, by its cache."""
    medians = {name: statistics.median(values) * 1e3 for name, values in starts.items()}
    found: list[dict[str, Any]] = [
        {"what": f"python -c '{_STARTS[name]}'", "median_ms": value, "more_ms": value - medians["pass"]}
        for name, value in medians.items()
    ]
    return found + [
        {
            "what": "preinit.build of tiny, in a warm process",
            "cache": cached,
            "median_ms": statistics.median(values) * 1e3,
        }
        for cached, values in warm.items()
    ]
