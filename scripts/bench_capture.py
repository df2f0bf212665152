"""Programs with JavaScript glue, from load to first answer: the original against the output of a capture, in Node.

Each start is a Node of its own, without anything of preinit; originals and outputs take turns. Compiling is told apart.
An output is larger than its original, so its glue reads it for longer: it is also started with its bytes at hand, as
where a server has read them, or a browser has them in its cache.
And the capture itself: beside the time that a plain Node takes to load and prepare the program, the best of three.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench_table import Tables, footer, show
from real import FIXTURES, FOLDER

import preinit
from preinit.node.program import find_node

Row = dict[str, Any]

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent / "tests/real/glue"
INSTALLED = FOLDER / "glue"
OWN = {"-O1": "words-O1", "-O3": "words-O3", "IMPORTED_MEMORY": "words-imported", "MAIN_MODULE=2": "words-main-module"}
#: MiB that the own program fills.
FILLED = "40"
#: Passes of a capture that prove what it made.
PROVING = ("load", "answer")


class Program(NamedTuple):
    """See tests/real/glue/programs.toml."""

    name: str
    script: Path
    package: Path
    module: str
    options: dict[str, Any]
    more: tuple[str, ...]


class Start(NamedTuple):
    """Milliseconds from importing the script to its first answer, compiling left out; the answer."""

    total: float
    compile: float
    answer: str | None
    swapped: int

    @property
    def rest(self) -> float:
        return self.total - self.compile


def programs() -> list[Program]:
    listed = tomllib.loads((SCRIPTS / "programs.toml").read_text(encoding="utf-8"))
    found = []
    for name, entry in listed.items():
        options = {key: entry[key] for key in ("once", "forget_fd") if key in entry}
        folder = INSTALLED / entry["package"]
        found.append(
            Program(name, SCRIPTS / entry["script"], folder, entry["module"], options, tuple(entry.get("more", ())))
        )
    for title, name in OWN.items():
        more = (FILLED, f"{name}.js")
        found.append(Program(f"C++ {title}", SCRIPTS / "words.cjs", FIXTURES / "glue", f"{name}.wasm", {}, more))
    return found


def start(node: str, program: Program, package: Path, notes: Path, how: str, held: Path | None = None) -> Start:
    """`held`: an output whose bytes the glue gets when it compiles the package's own module."""
    command = [node, str(HERE / "bench_capture.mjs"), str(program.script), how, str(package), str(notes), *program.more]
    more = {"MODULE": str(package / program.module), "HELD": str(held or "")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env={**os.environ, **more}
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{program.name}: {done.stderr[-2000:]}")
    found = Start(**json.loads(done.stdout.splitlines()[-1]))
    if found.swapped != 1:
        sys.exit(f"{program.name}: the glue compiled its module {found.swapped} times")
    return found


def median(starts: list[Start], field: str) -> float:
    return statistics.median(float(getattr(one, field)) for one in starts)


def measure(program: Program, node: str, rounds: int, folder: Path) -> tuple[Row, Row]:
    """A row of both tables."""
    notes = folder / "notes.json"
    other = folder / "package"
    shutil.copytree(program.package, other)

    def captured() -> tuple[float, preinit.Result]:
        began = time.perf_counter()
        result = preinit.capture(
            program.package / program.module, program.script, node=node, timeout=600, quiet_guest=True,
            args=[str(program.package), str(notes), *program.more], **program.options,
        )  # fmt: skip
        return time.perf_counter() - began, result

    took, result = captured()
    kept = notes.read_bytes() if notes.exists() else b""
    (other / program.module).write_bytes(result.wasm)
    found: dict[str, list[Start]] = {"prepare": [], "resume": [], "held": []}
    plain, whole, alone = [], [], []
    other_notes = folder / "other.json"
    for _ in range(rounds):
        other_notes.unlink(missing_ok=True)  # some file systems wait for the disk where a file is written over
        found["prepare"].append(start(node, program, program.package, other_notes, "prepare"))
        if kept:
            notes.write_bytes(kept)
        found["resume"].append(start(node, program, other, notes, "resume"))
        held = other / program.module
        found["held"].append(start(node, program, program.package, notes, "resume", held))
    for _ in range(min(rounds, 3)):
        other_notes.unlink(missing_ok=True)
        began = time.perf_counter()
        start(node, program, program.package, other_notes, "stop")
        plain.append(time.perf_counter() - began)
        took, again = captured()
        if again.wasm != result.wasm:
            sys.exit(f"{program.name}: two captures differ")
        whole.append(took)
        alone.append(took - sum(again.report.passes.get(name, 0) for name in PROVING))
    answers = {one.answer for starts in found.values() for one in starts}
    if len(answers) != 1:
        sys.exit(f"{program.name}: the answers differ: {answers}")
    before, after, alone_after = (median(starts, "rest") for starts in found.values())
    compiling = [median(found[how], "compile") for how in ("prepare", "resume")]
    loaded, capture, proved = (min(part) for part in (plain, alone, whole))  # what else runs only adds to them
    starts = {"program": program.name, "before_ms": before, "after_ms": after, "times": before / after}
    starts["times_at_hand"] = before / alone_after
    starts |= {"compile_before_ms": compiling[0], "compile_after_ms": compiling[1]}
    whole_row = {"program": program.name, "loaded_s": loaded, "capture_s": capture, "times_as_long": capture / loaded}
    return starts, whole_row | {"with_proof_s": proved, "proof_times_as_long": proved / loaded}


def tables(rounds: int = 7, names: Sequence[str] = ()) -> Tables:
    """The programs that are there, or those of them that are named."""
    node = find_node(None)
    starts, captures = [], []
    for program in programs():
        if names and program.name not in names:
            continue
        if not (program.package / program.module).exists():
            print(f"{program.name} is missing: `scripts/fetch_real glue` fetches it", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            start_row, capture_row = measure(program, node.path, rounds, Path(folder))
        starts.append(start_row)
        captures.append(capture_row)
    return {"starts": starts, "captures": captures, "range": [ranges(captures)] if captures else []}


def ranges(captures: Sequence[Row]) -> Row:
    """How many times as long as loading and preparing in plain Node captures take, the least and the most."""
    found: Row = {}
    for name, column in (("capture", "times_as_long"), ("proof", "proof_times_as_long")):
        values = [row[column] for row in captures]
        found |= {f"{name}_least": min(values), f"{name}_most": max(values)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_capture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="starts of each; 7 if left out")
    parser.add_argument("--programs", metavar="NAME,...", help="all if left out")
    parser.add_argument(
        "--at-least", action="append", default=[], metavar="NAME=RATIO",
        help="fail where a program whose bytes are at hand starts fewer times faster; may be repeated",
    )  # fmt: skip
    given = parser.parse_args()
    wanted = {name: float(ratio) for name, _, ratio in (text.rpartition("=") for text in given.at_least)}
    found = tables(given.rounds, given.programs.split(",") if given.programs else ())
    for rows in found.values():
        show(rows)
    print(footer(f"Node {find_node(None).version}, {given.rounds} rounds in turn"))
    slow = [
        f"{row['program']}: {row['times_at_hand']:.1f} times faster, at least {wanted[row['program']]:g} were wanted"
        for row in found["starts"]
        if row["times_at_hand"] < wanted.get(row["program"], 0)
    ]
    if slow:
        sys.exit("\n".join(slow))


if __name__ == "__main__":
    main()
