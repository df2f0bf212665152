"""Pauses programs in C at all their calls, and random programs at random places, and compares what they do
afterwards with what they would have done."""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import count
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.modules import wasm
from tests.support.pausing.in_node import node_traces
from tests.support.pausing.programs import Program
from tests.support.pausing.traces import engine, paused, trace
from tests.support.places import FIXTURES

#: Outputs that one process of Node runs.
_BATCH = 50


def shown(told: list[object]) -> list[object]:
    """A trace without what the engines say of a trap."""
    return [entry if isinstance(entry, int) else str(entry)[:8] for entry in told]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fuzz_pauses", description=__doc__)
    parser.add_argument("pauses", metavar="PAUSES", type=int, nargs="?", default=2000)
    parser.add_argument("first", metavar="FIRST_SEED", type=int, nargs="?", default=0)
    given = parser.parse_args()
    one, done, wrong, in_node = engine(), 0, 0, 0
    waiting: list[tuple[bytes, int]] = []
    expected: list[list[object]] = []
    for name in ("pausing", "jumps"):
        program = (FIXTURES / "pausing" / f"{name}.wasm").read_bytes()
        whole = trace(one, program)
        for number in range(1, len(whole)):
            for kind in ("whole", "ondemand"):
                output = paused(program, number, kind)
                done += 1
                if trace(one, output, number - 1) != whole[number - 1 :]:
                    wrong += 1
                    print(f"{name}.c, call {number}, {kind}: it goes on otherwise")
            if name == "pausing":  # the other has exceptions, which Node may lack
                waiting.append((output, number - 1))
                expected.append(shown(whole[number - 1 :]))
    for seed in count(given.first):
        plain = seed % 2 == 1  # without what Node may lack
        binary = wasm(Program(seed, exceptions=not plain, typed=not plain).text())
        source, whole = Random(seed), trace(one, binary)
        if len(whole) < 2:
            continue
        for number in sorted({1, *(source.randrange(1, len(whole)) for _ in range(3))}):
            output = paused(binary, number, source.choice(["whole", "ondemand"]))
            found = trace(one, output, number - 1)
            done += 1
            if found != whole[number - 1 :]:
                wrong += 1
                print(f"seed {seed}, call {number}: {found[:5]} instead of {whole[number - 1 :][:5]}")
            if plain:
                waiting.append((output, number - 1))
                expected.append(shown(whole[number - 1 :]))
        if shutil.which("node") and (len(waiting) >= _BATCH or done >= given.pauses):
            traces = node_traces(waiting) if waiting else []
            in_node += len(traces)
            wrong += sum(a != b for a, b in zip(traces, expected, strict=True))
            waiting, expected = [], []
        if done >= given.pauses:
            break
    print(f"{done} pauses in wasmtime, {in_node} of them in Node too: {wrong} mismatches")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
