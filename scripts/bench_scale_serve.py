"""`preinit serve`: snapshots against the same programs un-initialised, many requests. A part of scripts/bench_scale."""

from __future__ import annotations

import argparse
import datetime
import http.client
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from real import FIXTURES

from preinit import Host, Options, build

#: Seconds that one request, or starting a server, may take.
PATIENCE = 60


class Server(NamedTuple):
    address: str
    pid: int


@contextmanager
def served(module: Path, *arguments: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "preinit", "serve", str(module), "--port", "0", "--quiet", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r" at http://([^/]+)/", line)
            if found:
                yield Server(found[1], process.pid)
                return
        sys.exit(f"{module} is not served")
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


class Client:
    """One connection that is kept."""

    def __init__(self, server: Server, path: str) -> None:
        self._connection = http.client.HTTPConnection(server.address, timeout=PATIENCE)
        self._path = path

    def ask(self) -> tuple[float, bytes]:
        """Seconds up to the whole answer, and the answer."""
        started = time.perf_counter()
        self._connection.request("GET", self._path)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - started
        if answer.status != 200:
            sys.exit(f"an answer with status {answer.status}")
        return took, body


def resident(server: Server) -> int:
    """Bytes; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.split("VmRSS:")[1].split()[0]) << 10


def load(server: Server, path: str, requests: int, clients: int) -> tuple[list[float], float]:
    """Seconds of each request, and of all of them, from some clients at the same time."""
    times: list[float] = []

    def work() -> None:
        client = Client(server, path)
        times.extend([client.ask()[0] for _ in range(requests // clients)])

    started = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != requests // clients * clients:
        sys.exit(f"only {len(times)} of {requests} requests were answered")
    return times, time.perf_counter() - started


def run(rounds: int, requests: int, clients: int) -> None:
    """Prints the tables."""
    app = str(FIXTURES / "lisp/app")
    cases = [("cgi", "/", (), ()), ("lisp", "/?n=1000", ((app, "/app"),), ("--dir", f"{app}::/app"))]
    lines = []
    print("| program | median, un-initialised | median, snapshot | times faster |")
    print("|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path, dirs, arguments in cases:
            original = FIXTURES / f"{name}/{name}.wasm"
            ready = Path(folder) / f"{name}.wasm"
            options = Options(host=Host(dirs=dirs), rename_funcs=(("_start", "preinit_resume"),))
            ready.write_bytes(build(str(original), options).wasm)
            with served(ready) as fast, served(original, "--entry", "preinit_resume", *arguments) as slow:
                pair = Client(slow, path), Client(fast, path)
                times: tuple[list[float], list[float]] = ([], [])
                for _ in range(rounds):  # in turn
                    (before, expected), (after, found) = (client.ask() for client in pair)
                    assert found == expected, f"{name}: another answer"
                    times[0].append(before)
                    times[1].append(after)
            first, second = (statistics.median(part) for part in times)
            print(f"| {name} | {first * 1000:.1f} ms | {second * 1000:.2f} ms | {first / second:.0f} |", flush=True)
            with served(ready) as fast:
                load(fast, path, 10 * clients, clients)
                warm = resident(fast)
                took, whole = load(fast, path, requests, clients)
                after_all = resident(fast)
            took.sort()
            lines.append(
                f"| {name} | {len(took):,} | {len(took) / whole:,.0f} | {took[len(took) // 2] * 1000:.2f} ms | "
                f"{took[int(len(took) * 0.99)] * 1000:.1f} ms | {warm / 1e6:.1f} MB | {after_all / 1e6:.1f} MB |"
            )
    print(f"\n| snapshot, {clients} clients | requests | a second | median | 99% | memory before | after |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print("\n".join(lines))
    print(f"\n{platform.processor() or platform.machine()}, {rounds} rounds in turn, {datetime.date.today()}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_scale --parts serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=51, metavar="N", help="requests to each, in turn; 51 if left out")
    parser.add_argument("--requests", type=int, default=10_000, metavar="N", help="10000 if left out")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="at the same time; 4 if left out")
    given = parser.parse_args()
    run(given.rounds, given.requests, given.clients)


if __name__ == "__main__":
    main()
