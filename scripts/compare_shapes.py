"""What each tool makes of the modules of fixtures/shapes, and of the components in there, as Markdown tables.

A shape exports an initializer and checks: functions without parameters that return numbers. They are called in order in
an instance of the original after its initializer and in one of the tool's output; a tool is right if all answers are
the same. A trap is an answer, too: its kind counts.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import wasmtime
from bench_peers_tools import Contender, Subject, child_env, peer, tools, versions
from component_shapes import COMPONENTS, Instance, component_answers, initializer
from fetch_peers import package_name
from real import FIXTURES

from preinit.passes.parse.text import parse_text, wasm_tools

SHAPES = FIXTURES / "shapes"
INITIALIZER = "wizer-initialize"
BINARYEN = "wasm-ctor-eval"

#: For `wasmtime wizer`, so that nothing is refused for want of an option; wizer has no options that would help it.
FEATURES = ("all-proposals", "shared-memory")

#: All but what it would use only to write its output in a way that no shape has and the engine can't read yet.
BINARYEN_FEATURES = ("--all-features", "--disable-compact-imports", "--disable-custom-descriptors")

#: Seconds that a tool may take for one of these modules.
PATIENCE = 120

RIGHT, WRONG, PARTLY, REFUSES = "right", "wrong", "partly", "refuses"

Answers = list[str]


class Verdict(NamedTuple):
    word: str
    why: str = ""


# --- Running modules


def new_engine() -> wasmtime.Engine:
    """With every proposal that the engine has."""
    config = wasmtime.Config()
    for name in dir(wasmtime.Config):
        if name.startswith("wasm_"):
            setattr(config, name, True)
    config.shared_memory = True
    return wasmtime.Engine(config)


def host_modules(binary: bytes) -> Iterator[tuple[str, bytes]]:
    """For each module that `binary` imports memories, tables or globals from: its name, a module of fresh ones."""
    text = subprocess.run([wasm_tools(), "print", "-"], input=binary, capture_output=True, check=True).stdout.decode()
    imports = re.findall(r'^  \(import "([^"]*)" "([^"]*)" \((memory|table|global) (.*)\)\)$', text, re.MULTILINE)
    for module in dict.fromkeys(entry[0] for entry in imports):
        fields = []
        for name, kind, what in (entry[1:] for entry in imports if entry[0] == module):
            declared = re.sub(r"\(;\d+;\)|\$\S+", "", what).strip()
            number = re.fullmatch(r"(?:\(mut )?([if]\d\d)\)?", declared)
            value = f"({number[1]}.const 0)" if kind == "global" and number else ""
            fields.append(f'({kind} (export "{name}") {declared} {value})')
        yield module, parse_text(f"(module {' '.join(fields)})".encode())


def instantiate(engine: wasmtime.Engine, binary: bytes) -> tuple[wasmtime.Store, wasmtime.InstanceExports]:
    """In a host of its own: imported functions return a number made of their name, the rest is new."""
    store, linker, module = wasmtime.Store(engine), wasmtime.Linker(engine), wasmtime.Module(engine, binary)
    for name, host in host_modules(binary):
        linker.define_instance(store, name, linker.instantiate(store, wasmtime.Module(engine, host)))
    functions = {(i.module, i.name or ""): i.type for i in module.imports if isinstance(i.type, wasmtime.FuncType)}
    for (name, field), kind in functions.items():
        linker.define_func(name, field, kind, lambda field=field: sum(field.encode()))
    return store, linker.instantiate(store, module).exports(store)


def call(store: wasmtime.Store, exports: wasmtime.InstanceExports, name: str) -> str:
    """What the export returns, or the kind of its trap."""
    try:
        return repr(exports[name](store))
    except KeyError:
        return "no such export"
    except wasmtime.Trap as trap:
        return trap.trap_code.name if trap.trap_code else "a trap of no kind"
    except wasmtime.WasmtimeError as problem:
        return str(problem).partition("\n")[0]


def answers(engine: wasmtime.Engine, binary: bytes, checks: list[str], initialize: bool) -> Answers:
    """Raises `WasmtimeError` or `Trap` if there can be no instance, `ValueError` if the initializer does not run."""
    store, exports = instantiate(engine, binary)
    if initialize and (result := call(store, exports, INITIALIZER)) != "None":
        raise ValueError(f"{INITIALIZER}: {result}")
    return [call(store, exports, check) for check in checks]


def exported(engine: wasmtime.Engine, binary: bytes) -> set[str]:
    return {entry.name for entry in wasmtime.Module(engine, binary).exports}


# --- Running tools


def command(tool: str, name: str, module: Path, output: Path) -> list[str]:
    if tool == BINARYEN:
        return [str(peer(BINARYEN)), str(module), *BINARYEN_FEATURES, f"--ctors={INITIALIZER}", "-o", str(output)]
    return Contender(tool).command(Subject(name, module, INITIALIZER, features=FEATURES), output)


def reason(said: str) -> str:
    """The telling line of what a tool printed, with the innermost cause where it names causes."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if line.startswith("Error:"):
            causes = [line.removeprefix("Error:").strip()]
            for cause in lines[i + 1 :]:
                if cause.startswith("Stack backtrace"):
                    break
                if cause != "Caused by:":
                    causes.append(re.sub(r"^\d+: ", "", cause))
            return causes[0] if len(causes) == 1 else f"{causes[0]}: {causes[-1]}"
        if "panicked at" in line:
            return f"panic: {lines[i + 1] if i + 1 < len(lines) else line}"
        if "could not" in line or re.match(r"error[:\[]|Fatal:", line):
            return re.sub(r"^(\.\.\.|error(\[[\w-]+\])?: )", "", line)
    exceptions = [line for line in lines if re.match(r"\w*(Error|Exception|Rejection)\b", line)]
    return (exceptions or lines or ["no message"])[0]


def judge(engine: wasmtime.Engine, tool: str, name: str, original: bytes, checks: list[str], right: Answers) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        module, output = Path(folder, f"{name}.wasm"), Path(folder, "output.wasm")
        module.write_bytes(original)
        try:
            done = subprocess.run(
                command(tool, name, module, output),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                env=child_env(),
                cwd=FIXTURES.parent,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(REFUSES, f"not done after {PATIENCE} s")
        said = (done.stdout + "\n" + done.stderr).replace(folder + "/", "")
        if done.returncode:
            return Verdict(REFUSES, reason(said))
        if not output.exists():
            return Verdict(REFUSES, f"no output: {reason(said)}")
        made = output.read_bytes()
    try:
        # wasm-ctor-eval ends well even if it could not run everything: what it could not run stays exported.
        unfinished = INITIALIZER in exported(engine, made)
        found = answers(engine, made, checks, initialize=unfinished)
    except (wasmtime.WasmtimeError, wasmtime.Trap, ValueError) as problem:
        lines = str(problem).splitlines() or [type(problem).__name__]
        told = ": ".join(line.strip() for line in dict.fromkeys((lines[0], lines[-1])))
        return Verdict(WRONG, f"the output of `{name}` does not start: {told}")
    for check, expected, answer in zip(checks, right, found, strict=True):
        if answer != expected:
            return Verdict(WRONG, f"{check} of `{name}` gives {answer} instead of {expected}")
    if unfinished:
        return Verdict(PARTLY if "partial evalling successful" in said else REFUSES, reason(said))
    return Verdict(RIGHT)


def component_command(tool: str, run: str, source: Path, output: Path) -> list[str]:
    if tool == "preinit":
        return [sys.executable, "-m", "preinit", "build", str(source), "-f", run, "--no-cache", "-q", "-o", str(output)]
    wizer = [str(peer("wasmtime")), "wizer", "-C", "cache=n", "-W", "all-proposals=y", "-S", "cli=y"]
    return [*wizer, "--init-func", run, str(source), "-o", str(output)]


def judge_component(tool: str, path: Path, binary: bytes, checks: list[str], right: Answers) -> Verdict:
    run, _ = initializer(path.read_text())
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, f"{path.stem}.wasm"), Path(folder, "output.wasm")
        source.write_bytes(binary)
        try:
            done = subprocess.run(
                component_command(tool, run, source, output),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                env=child_env(),
                cwd=FIXTURES.parent,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(REFUSES, f"not done after {PATIENCE} s")
        if done.returncode or not output.exists():
            return Verdict(REFUSES, reason((done.stdout + "\n" + done.stderr).replace(folder + "/", "")))
        made = output.read_bytes()
    valid = subprocess.run(
        [wasm_tools(), "validate", "--features", "all", "-"], input=made, capture_output=True, check=False
    )
    if valid.returncode:
        return Verdict(WRONG, f"the output of `{path.stem}` is not valid: {reason(valid.stderr.decode())}")
    try:
        found = component_answers(made, checks)
    except (wasmtime.WasmtimeError, wasmtime.Trap) as problem:
        return Verdict(WRONG, f"the output of `{path.stem}` does not start: {str(problem).splitlines()[-1].strip()}")
    for check, expected, answer in zip(checks, right, found, strict=True):
        if answer != expected:
            return Verdict(WRONG, f"{check} of `{path.stem}` gives {answer} instead of {expected}")
    return Verdict(RIGHT)


# --- All shapes

#: What each tool made of a shape, by the shape's name.
Judged = Iterator[tuple[str, dict[str, Verdict]]]


def judged_components(wanted: Sequence[str] = ()) -> Judged:
    """All of them if none is wanted."""
    for path in sorted(COMPONENTS.glob("*.wat")):
        if wanted and path.stem not in wanted:
            continue
        binary = parse_text(path.read_bytes())
        _, values = initializer(path.read_text())
        instance = Instance(binary)
        checks = list(takewhile(instance.has, (f"check{i}" for i in count())))
        right = component_answers(binary, checks, values)
        if right == component_answers(binary, checks):
            sys.exit(f"{path.name}: the checks don't tell whether the initializer ran")
        columns = ["preinit", *(["wasmtime wizer"] if peer("wasmtime") else [])]
        verdicts = {tool: judge_component(tool, path, binary, checks, right) for tool in columns}
        yield path.stem.replace("-", " "), verdicts


def judged_modules(wanted: Sequence[str] = ()) -> Judged:
    """All of them if none is wanted."""
    engine = new_engine()
    columns = [*tools(), *([BINARYEN] if peer(BINARYEN) else [])]
    for path in sorted(SHAPES.glob("*.wat")):
        if wanted and path.stem not in wanted:
            continue
        original = parse_text(path.read_bytes())
        exports = exported(engine, original)
        checks = list(takewhile(exports.__contains__, (f"check{i}" for i in count())))
        right = answers(engine, original, checks, initialize=True)
        if right == answers(engine, original, checks, initialize=False):
            sys.exit(f"{path.name}: the checks don't tell whether the initializer ran")
        verdicts = {tool: judge(engine, tool, path.stem, original, checks, right) for tool in columns}
        yield path.stem.replace("-", " "), verdicts


def tables(kind: str = "modules") -> dict[str, list[dict[str, Any]]]:
    """What each tool made of each shape, in one word."""
    judged = judged_modules() if kind == "modules" else judged_components()
    rows = [{"shape": shape} | {tool: verdict.word for tool, verdict in verdicts.items()} for shape, verdicts in judged]
    return {"shapes": rows}


def print_table(heading: str, judged: Judged) -> bool:
    """Each reason is told once, below; says whether preinit is right on all."""
    notes: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    shapes = 0
    for shape, verdicts in judged:
        if not shapes:
            print(f"| {heading} | {' | '.join(verdicts)} |")
            print("|---" * (len(verdicts) + 1) + "|")
        shapes += 1
        cells = []
        for tool, verdict in verdicts.items():
            totals[tool] = totals.get(tool, 0) + (verdict.word == RIGHT)
            if verdict.why and tool not in notes.setdefault(verdict.why, []):
                notes[verdict.why].append(tool)
            cells.append(verdict.word + (f" ({[*notes].index(verdict.why) + 1})" if verdict.why else ""))
        print(f"| {shape} | {' | '.join(cells)} |", flush=True)
    if shapes:
        print(f"| **right, of {shapes}** | {' | '.join(str(total) for total in totals.values())} |\n")
    for number, (why, said_by) in enumerate(notes.items(), 1):
        print(f"{number}. {', '.join(said_by)}: {why}")
    print()
    return totals.get("preinit", 0) == shapes


def main() -> None:
    wanted = sys.argv[1:]
    known = [path.stem for folder in (SHAPES, COMPONENTS) for path in sorted(folder.glob("*.wat"))]
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"there is no shape {unknown[0]!r}; one of {', '.join(known)}")
    right = print_table("what a component has to capture", judged_components(wanted))
    right = print_table("what there is to capture", judged_modules(wanted)) and right
    named = {tool: text for tool, text in versions().items() if tool in (*tools(), "engine of preinit")}
    if peer(BINARYEN):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        named[BINARYEN] = f"npm {package_name(BINARYEN)}, node {node}"
    print("; ".join(f"{tool}: {text}" for tool, text in named.items()))
    sys.exit(not right)


if __name__ == "__main__":
    main()
