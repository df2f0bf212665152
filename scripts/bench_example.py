"""What README.md and docs/bench.md show of `preinit bench`, and how many functions of CPython a build compiles."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_table import Tables, footer, show
from real import FIXTURES, real_modules

from preinit import Host, build

PRIMES = FIXTURES / "primes/primes.wasm"
#: As the pages have it.
CALL = "primes_below(1000000)"


def tables() -> Tables:
    """What `preinit bench` prints of fixtures/primes: of its start, and with a call."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "primes-ready.wasm")
        ready.write_bytes(build(str(PRIMES)).wasm)
        return {"start": printed(ready), "call": printed(ready, "--call", CALL)}


def printed(ready: Path, *more: str) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "preinit", "bench", str(PRIMES), str(ready), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=FIXTURES.parent)
    return [{"line": line} for line in done.stdout.rstrip("\n").split("\n")]


def functions() -> Tables:
    """Of CPython with SciPy: how many functions there are, and how many of them its build compiles."""
    found = [real for real in real_modules() if real.name == "cpython"]
    if not found:
        sys.exit("cpython is missing: `scripts/fetch_real cpython` fetches it")
    (real,) = found
    built = build(real.path, init_funcs=real.init_funcs, host=Host(dirs=real.dirs), cache=False)
    engine = built.report.engine
    return {
        "functions": [
            {"module": real.name, "functions": engine.functions, "compiled": engine.functions_compiled},
        ]
    }


def main() -> None:
    argparse.ArgumentParser(prog="scripts/bench_example", description=__doc__).parse_args()
    for rows in tables().values():
        print("\n".join(row["line"] for row in rows), end="\n\n")
    show(functions()["functions"])
    print(footer("one build"))


if __name__ == "__main__":
    main()
