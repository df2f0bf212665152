"""Builds components of ComponentizeJS and componentize-py with preinit and with `wasmtime wizer` in turn; prints
medians and ratios as Markdown, and runs every output in the wasmtime command line."""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench_peers import Samples, facts, fetch
from bench_peers_measure import run
from bench_peers_tools import child_env, versions
from bench_table import Tables, show
from fetch_peers import PEERS_FOLDER, installed

from preinit.binary.component import read_component
from preinit.binary.module import parse
from scripts.component_inputs import ANSWERS, CALL, make

WASMTIME = PEERS_FOLDER / "wasmtime"
LANGUAGES = ("javascript", "python")


class Entrant(NamedTuple):
    """A way to build: `command` takes input and output. `cache`: whether it has one, and what it finds there: none
    ("off"), nothing ("empty"), the build before of the same input ("warm"), or that of an input with one byte changed:
    of data ("changed"), or of a function's code ("changed code")."""

    name: str
    cache: str
    command: Callable[[Path, Path], list[str]]


def preinit(*more: str) -> Callable[[Path, Path], list[str]]:
    return lambda path, output: [
        *(sys.executable, "-m", "preinit", "build", str(path), "-f", CALL, "--quiet", "-o", str(output), *more)
    ]


def wizer(*more: str) -> Callable[[Path, Path], list[str]]:
    return lambda path, output: [
        *(str(WASMTIME), "wizer", "-S", "cli", *more, str(path), "--init-func", CALL, "-o", str(output))
    ]


OURS, COLD, WINCH = "preinit", "wasmtime wizer", "wasmtime wizer, Winch"
ENTRANTS = (
    Entrant(OURS, "off", preinit("--no-cache")),
    Entrant("preinit, whole", "off", preinit("--no-cache", "--engine", "whole")),
    Entrant(COLD, "off", wizer("-C", "cache=n")),
    Entrant(WINCH, "off", wizer("-C", "cache=n", "-C", "compiler=winch")),
    Entrant(OURS, "empty", preinit()),
    Entrant(OURS, "warm", preinit()),
    Entrant(COLD, "warm", wizer("-C", "cache=y")),
    Entrant(OURS, "changed", preinit()),
    Entrant(OURS, "changed code", preinit()),
    Entrant(COLD, "changed", wizer("-C", "cache=y")),
)


class Target(NamedTuple):
    """`ours` must take at most `most` of what `theirs` takes of `column`."""

    language: str
    ours: tuple[str, str]
    theirs: tuple[str, str]
    column: str
    most: float


TARGETS = (
    Target("javascript", (OURS, "off"), (COLD, "off"), "wall", 0.15),
    Target("javascript", (OURS, "off"), (COLD, "off"), "peak", 0.35),
    Target("javascript", (OURS, "off"), (WINCH, "off"), "wall", 0.6),
    Target("python", (OURS, "off"), (COLD, "off"), "wall", 0.4),
    Target("python", (OURS, "off"), (WINCH, "off"), "wall", 0.9),
    Target("python", (OURS, "off"), (COLD, "off"), "peak", 0.5),
    Target("python", (OURS, "off"), (WINCH, "off"), "peak", 0.5),
    *(
        Target(language, (OURS, what), (OURS, first), "wall", 0.5)
        for language in LANGUAGES
        for what in ("changed", "changed code")
        for first in ("empty", "off")
    ),
)


def changed(path: Path, number: int, folder: Path) -> Path:
    """The component with one byte of a text in its data changed: another one for each number."""
    data = bytearray(path.read_bytes())
    place = data.rindex(b"no items") + len(b"no item")
    data[place] = ord("A") + number % 26
    found = folder / f"{path.stem}-{number}.wasm"
    found.write_bytes(data)
    return found


#: `i32.const` of a number that has one byte, added to something.
_ADDS = re.compile(rb"\x41[\x01-\x3e]\x6a")


def changed_code(path: Path, number: int, folder: Path) -> Path:
    """The same with one byte of a function's code changed, in another one for each number: none that is called here."""
    data = bytearray(path.read_bytes())
    places = read_component(bytes(data)).core_modules()
    start, module = max(
        ((start, parse(bytes(data[start:end]), libraries=True)) for start, end in places),
        key=lambda found: len(found[1].bodies),
    )
    body = module.bodies[len(module.bodies) // 3 + 7 * (number % 26)]
    found = _ADDS.search(data, start + body.start)
    assert found is not None
    data[found.start() + 1] += 1
    changed_file = folder / f"{path.stem}-code-{number}.wasm"
    changed_file.write_bytes(data)
    return changed_file


#: What an input is, by what an entrant finds in its cache.
INPUTS = {"changed": changed, "changed code": changed_code}


def answers(output: Path) -> dict[str, str]:
    """What `ask` answers in `wasmtime run`."""
    found = {}
    for name in ANSWERS:
        command = [str(WASMTIME), "run", "-C", "compiler=winch", "--invoke", f'ask("{name}")', str(output)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found[name] = done.stdout.strip() or done.stderr.strip()
    return found


def measure(path: Path, rounds: int, entrants: Sequence[Entrant], folder: Path) -> dict[Entrant, Samples]:
    samples = {entrant: Samples() for entrant in entrants}
    output, said = folder / "out.wasm", folder / "said"
    for turn in range(-1, rounds):  # the turn before the first fills the caches, and is not counted
        for entrant in entrants:
            if turn < 0 and entrant.cache in ("off", "empty"):
                continue
            cache = folder / f"cache-{entrant.name}-{entrant.cache}"
            if entrant.cache == "empty":
                shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir(mode=0o700, exist_ok=True)
            env = child_env() | {name: str(cache) for name in ("PREINIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME")}
            given = INPUTS[entrant.cache](path, turn + 1, folder) if entrant.cache in INPUTS else path
            print(f"{path.stem}: {entrant.name}, cache {entrant.cache}", file=sys.stderr)
            output.unlink(missing_ok=True)
            measured = run(entrant.command(given, output), env, said)
            if given != path:
                given.unlink()
            if turn < 0 and not measured.complaint:
                continue
            samples[entrant].add(measured, output)
            if not measured.complaint and turn == rounds - 1 and (wrong := answers(output)) != ANSWERS:
                sys.exit(f"{entrant.name}: its output is wrong: {wrong}")
    return samples


def figure(taken: Samples, column: str) -> float:
    """The median; of peaks the lowest: a process that is about to become another program is seen twice."""
    values = [getattr(measured, column) for measured in taken.runs]
    return min(values) if column == "peak" else statistics.median(values)


def rows(language: str, path: Path, samples: dict[Entrant, Samples]) -> Iterator[dict[str, Any]]:
    size = path.stat().st_size
    modules = len(list(read_component(path.read_bytes()).core_modules()))
    for entrant, taken in samples.items():
        row: dict[str, Any] = {"component": language, "tool": entrant.name, "cache": entrant.cache}
        row |= {"input_bytes": size, "core_modules": modules}
        if taken.refusal:
            yield row | {"refused": taken.refusal}
            continue
        m = taken.medians()
        row |= {"wall_s": m["wall"], "cpu_s": m["cpu"], "peak_mib": figure(taken, "peak") / 2**20}
        yield row | {"output_bytes": round(m["output"])}


def target_rows(results: dict[str, dict[Entrant, Samples]]) -> Iterator[dict[str, Any]]:
    """The ratio of medians, and the median of the ratios within each round: what else the machine does weighs less."""
    for target in TARGETS:
        if target.language not in results:
            continue
        found = {(entrant.name, entrant.cache): taken for entrant, taken in results[target.language].items()}
        ours, theirs = found[target.ours], found[target.theirs]
        if ours.refusal or theirs.refusal:
            continue
        ratio = figure(ours, target.column) / figure(theirs, target.column)
        pairs = list(zip(ours.runs, theirs.runs, strict=True))
        each = statistics.median(getattr(a, target.column) / getattr(b, target.column) for a, b in pairs)
        label = f"{' '.join(target.ours)} / {' '.join(target.theirs)}"
        cpu = figure(ours, "cpu") / figure(theirs, "cpu")
        row = {"component": target.language, "preinit / other": label, "of": target.column, "at most": target.most}
        yield row | {"medians": ratio, "rounds": each, "CPU": cpu}


def tables(rounds: int = 5, languages: Sequence[str] = LANGUAGES) -> Tables:
    fetch("fetch_real", "wizer-tools", "componentize-py")
    fetch("fetch_peers", "wasmtime")
    if not installed("wasmtime"):
        sys.exit("scripts/fetch_peers wasmtime could not install what preinit is compared with")
    subprocess.run([sys.executable, "-m", "compileall", "-q", Path(__file__).parent.parent / "preinit"], check=False)
    results: dict[str, dict[Entrant, Samples]] = {}
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="preinit-bench-") as temporary:
        for language in languages:
            try:
                path = make(language)
            except RuntimeError as problem:
                print(f"skipped {language}: {problem}\n", flush=True)
                continue
            folder = Path(temporary) / language
            folder.mkdir()
            results[language] = measure(path, rounds, ENTRANTS, folder)
            found += rows(language, path, results[language])
    return {"builds": found, "targets": list(target_rows(results))}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_components", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--only", choices=LANGUAGES, help="one of both components")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("there must be one round at least")
    for part in tables(arguments.rounds, [arguments.only] if arguments.only else LANGUAGES).values():
        show(part)
    show([{"what": k, "which": v} for part in (facts(), versions()) for k, v in part.items()])


if __name__ == "__main__":
    main()
