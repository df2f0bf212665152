"""Measures a paused CPython: how long a build takes, a start to the end of a script, a request, and its memory."""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import wasmtime
from bench_table import Tables, footer, show
from real import FOLDER

import preinit
from preinit.serve.application import Application
from preinit.serve.settings import Settings

SCRIPT = """\
import sys, json, re, decimal, datetime, os, urllib.parse, html, string
table = {n: [d for d in range(1, n) if n % d == 0] for n in range(ROWS)}
body = sys.stdin.readline()
sys.modules.pop("posix"); import posix
query = urllib.parse.parse_qs(posix.environ.get(b"QUERY_STRING", b"").decode())
answer = f"{len(table)} rows, asked for {query}\\n"
print(f"Content-Type: text/plain\\nContent-Length: {len(answer)}\\n\\n{answer}", end="", flush=True)
"""
ARGUMENTS = ("python", "/app/cgi.py")


def start(engine: wasmtime.Engine, module: wasmtime.Module, app: str) -> float:
    """Seconds from instantiating a compiled module to the end of its program."""
    begun = time.perf_counter()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv, wasi.env = list(ARGUMENTS), [("QUERY_STRING", "name=ada")]
    wasi.stdin_file = wasi.stdout_file = "/dev/null"
    wasi.preopen_dir(app, "/app")
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    with contextlib.suppress(wasmtime.ExitTrap):
        linker.instantiate(store, module).exports(store)["_start"](store)
    return time.perf_counter() - begun


def tables(rounds: int = 11, requests: int = 200, rows: int = 2000) -> Tables:
    """`rows`: of the table that the script builds."""
    path = FOLDER / "python" / "python.wasm"
    if not path.exists():
        sys.exit("scripts/fetch_real python fetches the module")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cgi.py").write_text(SCRIPT.replace("ROWS", str(rows)))
        dirs = {folder: "/app"}
        begun = time.perf_counter()
        result = preinit.build(path, pause_at="stdin", args=ARGUMENTS, dirs=dirs, cache=False)
        took, peak = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        facts = result.report.pause
        assert facts is not None
        code, more = (sum(getattr(frame, name) for frame in facts.frames) for name in ("code", "continuation"))
        built = {"wall_s": took, "peak_mib": peak, "active_functions": len(facts.frames), "of_their_code": more / code}
        config = wasmtime.Config()
        config.cache = True
        engine = wasmtime.Engine(config)
        modules = [wasmtime.Module(engine, binary) for binary in (path.read_bytes(), result.wasm)]
        times = [[start(engine, module, folder) for module in modules] for _ in range(rounds)]
        before, after = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
        ready = Path(folder) / "ready.wasm"
        ready.write_bytes(result.wasm)
        answered = answer(Application(str(ready), Settings(args=ARGUMENTS, dirs=dirs)), requests)
    return {
        "build": [built],
        "start": [{"rows": rows, "before_ms": before, "after_ms": after, "times": before / after}],
        "request": [answered],
    }


def answer(application: Application, requests: int) -> dict[str, float]:
    """The median of so many requests, and the most memory after a tenth of them and after all."""
    seconds, memory = [], []
    for number in range(requests):
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": f"n={number}", "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(),
        }  # fmt: skip
        begun = time.perf_counter()
        body = b"".join(application(environ, lambda status, fields: None))
        seconds.append(time.perf_counter() - begun)
        assert f"['{number}']".encode() in body
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    application.close()
    median = statistics.median(seconds) * 1000
    return {"requests": requests, "median_ms": median, "tenth_mib": memory[len(memory) // 10], "end_mib": memory[-1]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_pause", description=__doc__)
    parser.add_argument("rounds", metavar="ROUNDS", type=int, nargs="?", default=11)
    parser.add_argument("--requests", type=int, default=200, help="to the output; 200 if left out")
    parser.add_argument("--rows", type=int, default=2000, help="of the table that the script builds; 2000 if left out")
    given = parser.parse_args()
    for rows in tables(given.rounds, given.requests, given.rows).values():
        show(rows)
    print(footer(f"medians of {given.rounds} rounds in turn"))


if __name__ == "__main__":
    main()
