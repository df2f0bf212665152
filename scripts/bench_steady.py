"""How fast compiled code runs: an initializer's pure computation, on demand and as a whole, in turn."""

from __future__ import annotations

import argparse
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench_table import Tables, footer, show
from real import FIXTURES, real_modules

from preinit.binary.module import parse
from preinit.engine.guest import Instance
from preinit.engine.ondemand.instance import OnDemandGuest
from preinit.engine.ondemand.prepared import prepare
from preinit.engine.runtime import Deadline, EngineSettings
from preinit.engine.whole import compile_guest
from preinit.host.world import World
from preinit.options import Host
from preinit.passes.instrument import instrument, instrument_state

COMPILER = "winch"

#: What JavaScript does: functions, closures, objects, arrays, strings, sorting, a regular expression and JSON.
SCRIPT = """
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
class Point { constructor(x, y) { this.x = x; this.y = y; } add(o) { return new Point(this.x + o.x, this.y + o.y); } }
function work(turns) {
  let total = 0;
  for (let turn = 0; turn < turns; turn++) {
    total += fib(18);
    let p = new Point(0, 0);
    for (let i = 0; i < 2000; i++) p = p.add(new Point(i, turn));
    const list = Array.from({ length: 500 }, (_, i) => (i * 7919) % 503);
    list.sort((a, b) => a - b);
    total += p.x + list.map((x) => x * 2).filter((x) => x % 3).reduce((a, b) => a + b, 0);
    const text = JSON.stringify({ list, name: "turn " + turn });
    total += JSON.parse(text).list.length + text.replace(/[0-9]+/g, (m) => m.length).length;
  }
  return total;
}
work(TURNS);
"""


class Subject(NamedTuple):
    """A module, what is run before the measurement, and what is measured."""

    name: str
    path: Path
    before: str
    work: Callable[[Guest], object]


class Guest(NamedTuple):
    """An instance, and what its memory 0 is called there."""

    instance: Instance
    memory: str


def word(number: int) -> bytes:
    return number.to_bytes(16, "little")


def call(guest: Guest, name: str, arguments: Sequence[int], results: int = 1) -> int:
    found = guest.instance.call(name, [word(number) for number in arguments], results)
    return int.from_bytes(found[0][:4], "little") if found else 0


def run_script(turns: int) -> Callable[[Guest], object]:
    def work(guest: Guest) -> object:
        source = SCRIPT.replace("TURNS", str(turns)).encode()
        place = call(guest, "cabi_realloc", (0, 0, 1, len(source)))
        guest.instance.memory(guest.memory)[place : place + len(source)] = source
        result = call(guest, "compile-src", (place, len(source)))
        failed, code, size = struct.unpack("<3I", guest.instance.memory(guest.memory)[result : result + 12])
        if failed:
            sys.exit("the script does not compile")
        return call(guest, "invoke", (code, size, 0, 0, 0), 0)

    return work


def one_call(name: str, turns: int) -> Callable[[Guest], object]:
    return lambda guest: call(guest, name, (turns,))


def running(path: Path, engine: str) -> tuple[Guest, Deadline]:
    """An instance that was compiled in that way."""
    module, deadline = parse(path.read_bytes()), Deadline(None)
    world = World(module, Host(), deadline)
    settings = EngineSettings(COMPILER)

    def start() -> Instance:
        if engine == "whole":
            return compile_guest(instrument(module)[0], settings).instantiate(4 << 30, world.link, deadline)
        guest = OnDemandGuest(prepare(instrument_state(module)[0], settings))
        return guest.instantiate(4 << 30, world.link, deadline)

    instance = deadline.start(start).result()
    names = instrument(module)[1] if engine == "whole" else instrument_state(module)[1]
    memory = names.memories[0]
    world.bind(lambda: instance.memory(memory))
    return Guest(instance, memory), deadline


def seconds(subject: Subject, engine: str) -> tuple[float, object]:
    guest, deadline = running(subject.path, engine)
    deadline.start(lambda: guest.instance.call(subject.before, (), 0)).result()
    started = time.perf_counter()
    answer = deadline.start(lambda: subject.work(guest)).result()
    return time.perf_counter() - started, answer


def tables(rounds: int = 5, turns: int = 200) -> Tables:
    """Seconds of each work, the medians; `turns`: of the JavaScript program."""
    path = FIXTURES / "steady/steady.wasm"
    found = [
        Subject(f"{name} (C)", path, "_initialize", one_call(name, count))
        for name, count in (("sort", 150), ("dispatch", 200), ("large", 200), ("recursion", 38))
    ]
    for real in real_modules():
        if real.name == "javy":
            found.append(Subject("JavaScript in Javy", Path(real.path), real.init_funcs[0], run_script(turns)))
    if len(found) == 4:
        print("javy is missing: `scripts/fetch_real javy` fetches it", file=sys.stderr)
    rows = []
    for subject in found:
        times: dict[str, list[float]] = {"whole": [], "ondemand": []}
        answers = set()
        for _ in range(rounds):
            for engine, taken in times.items():
                value, answer = seconds(subject, engine)
                taken.append(value)
                answers.add(answer)
        assert len(answers) == 1, f"{subject.name}: different answers"
        whole, lazy = (statistics.median(taken) for taken in times.values())
        rows.append({"work": subject.name, "whole_s": whole, "on_demand_s": lazy, "ratio": lazy / whole})
    return {"work": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_steady", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--turns", type=int, default=200, metavar="N", help="of the JavaScript program; default: 200")
    arguments = parser.parse_args()
    show(tables(arguments.rounds, arguments.turns)["work"])
    print(footer(f"{COMPILER}, medians of {arguments.rounds} rounds in turn"))


if __name__ == "__main__":
    main()
