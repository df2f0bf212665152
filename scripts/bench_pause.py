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


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_pause", description=__doc__)
    parser.add_argument("rounds", metavar="ROUNDS", type=int, nargs="?", default=11)
    parser.add_argument("--requests", type=int, default=200, help="to the output; 200 if left out")
    parser.add_argument("--rows", type=int, default=2000, help="of the table that the script builds; 2000 if left out")
    given = parser.parse_args()
    path = FOLDER / "python" / "python.wasm"
    if not path.exists():
        sys.exit("scripts/fetch_real python fetches the module")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cgi.py").write_text(SCRIPT.replace("ROWS", str(given.rows)))
        dirs = {folder: "/app"}
        begun = time.perf_counter()
        result = preinit.build(path, pause_at="stdin", args=ARGUMENTS, dirs=dirs, cache=False)
        took, peak = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        facts = result.report.pause
        assert facts is not None
        code, more = (sum(getattr(frame, name) for frame in facts.frames) for name in ("code", "continuation"))
        print(f"build: {took:.1f} s, {peak} MB; {len(facts.frames)} active functions; {more / code:.2f} x their code")
        config = wasmtime.Config()
        config.cache = True
        engine = wasmtime.Engine(config)
        modules = [wasmtime.Module(engine, binary) for binary in (path.read_bytes(), result.wasm)]
        times = [[start(engine, module, folder) for module in modules] for _ in range(given.rounds)]
        before, after = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"start to end: {before * 1000:.0f} ms, paused {after * 1000:.1f} ms: {before / after:.0f} x faster")
        ready = Path(folder) / "ready.wasm"
        ready.write_bytes(result.wasm)
        application = Application(str(ready), Settings(args=ARGUMENTS, dirs=dirs))
        seconds, memory = [], []
        for number in range(given.requests):
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
        print(
            f"request: median {statistics.median(seconds) * 1000:.2f} ms of {given.requests:,}; memory at most "
            f"{memory[len(memory) // 10]} MB after a tenth of them, {memory[-1]} MB in the end"
        )


if __name__ == "__main__":
    main()
