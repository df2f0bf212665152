"""Start-up of modules and of their pre-initialized outputs, in turn, in wasmtime with its default settings."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import wasmtime
from bench_table import Tables, footer, show
from real import FIXTURES, real_modules

from preinit import Host, Options, build

Exports = Any
#: From an instance to the first answer: (store, exports, whether it is the output) -> answer.
Scenario = Callable[[wasmtime.Store, Exports, bool], Any]


def primes(store: wasmtime.Store, exports: Exports, ready: bool) -> int:
    if not ready:
        exports["_initialize"](store)
    return int(exports["primes_below"](store, 10_000_000))


def javy(store: wasmtime.Store, exports: Exports, ready: bool) -> bytes:
    """Compiles a small JavaScript program to bytecode."""
    if not ready:
        exports["initialize-runtime"](store)
    source = b"const answer = 6 * 7;"
    memory = exports["memory"]
    place = exports["cabi_realloc"](store, 0, 0, 1, len(source))
    memory.write(store, source, place)
    result = exports["compile-src"](store, place, len(source))
    return bytes(memory.read(store, result, result + 4))


def prepare(engine: wasmtime.Engine, binary: bytes) -> tuple[wasmtime.Linker, wasmtime.Module]:
    module = wasmtime.Module(engine, binary)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    linker.define_unknown_imports_as_traps(module)
    return linker, module


def measure(linker: wasmtime.Linker, module: wasmtime.Module, scenario: Scenario, ready: bool) -> tuple[float, Any]:
    started = time.perf_counter()
    store = wasmtime.Store(linker.engine)
    store.set_wasi(wasmtime.WasiConfig())
    instance = linker.instantiate(store, module)
    answer = scenario(store, instance.exports(store), ready)
    return time.perf_counter() - started, answer


def tables(rounds: int = 41) -> Tables:
    """Milliseconds from a compiled module to the first answer, the medians, as it was and pre-initialized."""
    cases: list[tuple[str, str, Options, Scenario]] = [
        ("primes", str(FIXTURES / "primes/primes.wasm"), Options(), primes),
    ]
    for real in real_modules():
        if real.name == "javy":
            cases.append((real.name, real.path, Options(init_funcs=real.init_funcs, host=Host(dirs=real.dirs)), javy))
    if len(cases) == 1:
        print("javy is missing: `scripts/fetch_real javy` fetches it", file=sys.stderr)
    rows = []
    for name, path, options, scenario in cases:
        engine = wasmtime.Engine()
        with open(path, "rb") as stream:
            before = prepare(engine, stream.read())
        after = prepare(engine, build(path, options).wasm)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            first, expected = measure(*before, scenario, False)
            second, found = measure(*after, scenario, True)
            assert found == expected, f"{name}: another answer"
            times[0].append(first)
            times[1].append(second)
        slow, fast = (statistics.median(part) * 1000 for part in times)
        rows.append({"module": name, "before_ms": slow, "after_ms": fast, "times": slow / fast})
    return {"first answer": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_start", description=__doc__)
    parser.add_argument("rounds", metavar="ROUNDS", nargs="?", type=int, default=41, help="1 or more; 41 if left out")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("ROUNDS must be 1 or more")
    show(tables(rounds)["first answer"])
    print(footer(f"{rounds} rounds in turn"))


if __name__ == "__main__":
    main()
