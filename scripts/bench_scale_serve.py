"""`preinit serve`: snapshots against the same programs un-initialised, many requests. A part of scripts/bench_scale."""

from __future__ import annotations

import argparse
import dataclasses
import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import wasmtime
from bench_table import Tables, footer, show
from real import FIXTURES, FOLDER

from preinit import Call, Host, Options, build, strings
from preinit.bench import measure

#: Seconds that one request, or starting a server, may take.
PATIENCE = 600


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


class Case(NamedTuple):
    """A program that is served: what is asked, how it is built, and what the server is told besides.

    `entry`: what starts it un-initialised; None for a runtime that is called through functions with arguments: that can
    be started a second time only where it is initialized in each instance.
    """

    name: str
    module: Path
    path: str
    options: Options
    arguments: tuple[str, ...] = ()
    entry: str | None = "preinit_resume"


#: What Ruby does for each request. It ends by itself: what is made of a result needs functions of its JavaScript.
_RUBY = b"""$stdout.sync = true
print "Content-Type: text/plain\\n\\nquery #{ENV['QUERY_STRING']}\\n"
exit!
"""
_RUBY_EVAL = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"


def cases() -> Iterator[Case]:
    resume = (("_start", "preinit_resume"),)
    app = str(FIXTURES / "lisp/app")
    yield Case("cgi", FIXTURES / "cgi/cgi.wasm", "/", Options(rename_funcs=resume))
    lisp = Options(host=Host(dirs=((app, "/app"),)), rename_funcs=resume)
    yield Case("lisp", FIXTURES / "lisp/lisp.wasm", "/?n=1000", lisp, ("--dir", f"{app}::/app"))
    folder = str(FIXTURES / "perl")
    perl = Options(
        host=Host(dirs=((folder, "/"),)),
        init_funcs=(
            Call("zeroperl_init", returns=0),
            Call("zeroperl_eval", "require q(/app/cgi.pl)", 0, 0, 0, returns=0),
        ),
        rename_funcs=(("_start", Call("zeroperl_eval", "main::run()", 0, 0, 0, returns=0)),),
        late=("env",),
    )
    yield Case("perl", FOLDER / "perl/zeroperl.wasm", "/?n=1000", perl, ("--dir", f"{folder}::/"), None)
    ruby = Options(
        init_funcs=(Call("ruby-init: func(args: list<string>) -> ()", strings("ruby\0", "-EUTF-8\0", "-e_=0\0")),),
        rename_funcs=(("_start", Call(_RUBY_EVAL, _RUBY)),),
        late=("env",),
    )
    yield Case("ruby", FOLDER / "ruby34/ruby.wasm", "/?n=1000", ruby, entry=None)


def in_turn(case: Case, ready: Path, rounds: int) -> tuple[float, float]:
    """Seconds of a request, the medians, un-initialised and from a snapshot."""
    with (
        served(case.module, "--entry", case.entry or "", *case.arguments) as slow,
        served(ready, *case.arguments) as fast,
    ):
        pair = Client(slow, case.path), Client(fast, case.path)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            (before, expected), (after, found) = (client.ask() for client in pair)
            if found != expected:
                sys.exit(f"{case.name}: another answer")
            times[0].append(before)
            times[1].append(after)
    return statistics.median(times[0]), statistics.median(times[1])


def initialized(case: Case, output: bytes, rounds: int) -> float:
    """Seconds of initializing it in a fresh instance, the median; without HTTP, and without the request's own work."""
    quiet = dataclasses.replace(case.options.host, quiet_guest=True)
    options = dataclasses.replace(case.options, host=quiet)
    found = measure(str(case.module), output, options, rounds=min(rounds, 11), seconds=0.1)
    return found.original.start.median


def tables(
    rounds: int = 51, requests: int = 10_000, clients: int = 4, names: Sequence[str] = ("cgi", "lisp", "perl", "ruby")
) -> Tables:
    """What a request takes, in turn; what many take at the same time; and what it costs that an environment is late.

    `before`: what was measured in place of a request to a program that is not pre-initialized, where it can't be served
    so: initializing it in a fresh instance, without HTTP and without the request's own work.
    """
    asked: list[dict[str, Any]] = []
    loaded: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            if case.name not in names:
                continue
            if not case.module.exists():
                print(f"{case.name} is missing: scripts/fetch_real fetches it", file=sys.stderr)
                continue
            ready = Path(folder) / f"{case.name}.wasm"
            output = build(str(case.module), case.options).wasm
            ready.write_bytes(output)
            if case.entry:
                first, second = in_turn(case, ready, rounds)
            else:
                first = initialized(case, output, rounds)
                with served(ready, *case.arguments) as fast:
                    client = Client(fast, case.path)
                    client.ask()
                    second = statistics.median(client.ask()[0] for _ in range(rounds))
            row: dict[str, Any] = {"program": case.name, "before": "a request" if case.entry else "initializing"}
            asked.append(row | {"before_ms": first * 1000, "after_ms": second * 1000, "times": first / second})
            with served(ready, *case.arguments) as fast:
                load(fast, case.path, 10 * clients, clients)
                warm = resident(fast)
                took, whole = load(fast, case.path, requests, clients)
                after_all = resident(fast)
            took.sort()
            row = {"program": case.name, "clients": clients, "requests": len(took), "a_second": len(took) / whole}
            row |= {
                "median_ms": took[len(took) // 2] * 1000,
                "slowest_hundredth_ms": took[int(len(took) * 0.99)] * 1000,
            }
            loaded.append(row | {"memory_before_mb": warm / 1e6, "memory_after_mb": after_all / 1e6})
    return {"a request": asked, "many requests": loaded, "late env": [binding(rounds)]}


def binding(rounds: int) -> dict[str, Any]:
    """What it costs a start of fixtures/world in wasmtime that the instance fetches its environment of 20 variables."""
    engine = wasmtime.Engine()
    world = str(FIXTURES / "world/world.wasm")
    kept = Options(init_funcs=("_initialize", "preinit_initialize"), keep_init_func="noop")  # what is called in both
    outputs = [build(world, dataclasses.replace(kept, late=late)).wasm for late in ((), ("env",))]
    variables = [(f"VARIABLE_{number}", "value " * 5) for number in range(20)]
    modules = [wasmtime.Module(engine, output) for output in outputs]
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(50 * rounds):
        for module, taken in zip(modules, times, strict=True):
            store = wasmtime.Store(engine)
            wasi = wasmtime.WasiConfig()
            wasi.env = variables
            store.set_wasi(wasi)
            initialize = linker.instantiate(store, module).exports(store)["_initialize"]
            assert isinstance(initialize, wasmtime.Func)
            started = time.perf_counter()
            initialize(store)
            taken.append(time.perf_counter() - started)
    without, with_it = (statistics.median(part) for part in times)
    return {
        "variables": 20,
        "without_us": without * 1e6,
        "with_us": with_it * 1e6,
        "more_us": (with_it - without) * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_scale --parts serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=51, metavar="N", help="requests to each, in turn; 51 if left out")
    parser.add_argument("--requests", type=int, default=10_000, metavar="N", help="10000 if left out")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="at the same time; 4 if left out")
    parser.add_argument("--programs", default="cgi,lisp,perl,ruby", metavar="NAME,...", help="all if left out")
    given = parser.parse_args()
    for rows in tables(given.rounds, given.requests, given.clients, given.programs.split(",")).values():
        show(rows)
    print(footer(f"{given.rounds} rounds in turn"))


if __name__ == "__main__":
    main()
