"""Running the user's script in Node, under hook.mjs: to record, to load an output, to take times."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from ..binary.module import Module
from ..engine.runtime import Deadline
from ..errors import CaptureRefused, OutputInvalid, RandomDenied, ScriptFailed, as_limit, printable, quoted
from ..options import Host
from ..tuples import NamedTuple
from .guard import Guard
from .program import WITHOUT_OPTIONS, Node, run_script
from .recording import read_outcome, recording_of
from .state import check_alive

_HERE = Path(__file__).parent
_HOOK, _DRIVE = _HERE / "hook.mjs", _HERE / "drive.mjs"

#: What Node says where the system refuses something that every program needs.
_LIMIT = re.compile(r"\b(ENOSPC|EDQUOT|EFBIG|EMFILE|ENFILE): ")
#: What Node says where its own heap is full.
_FULL = re.compile(r"^FATAL ERROR: (.*(?:out of memory|OOM).*)$", re.MULTILINE | re.IGNORECASE)
#: What Node says of a module that it takes only with a flag.
_EXPERIMENTAL = re.compile(r"CompileError: .*\(enable via (--experimental-[a-z0-9-]+)\)")
#: Of a script whose exports are not called yet, or that has none: what drive.mjs calls the step, and when that is.
_IMPORTING = "importing it"
_STAGES = {_IMPORTING: "while it was imported", "its run": "after it was imported"}
_WAITS = "it waits for something that never comes"
#: What world.mjs says when random numbers are denied.
_DENIED = "preinit: the program asked for random numbers"
#: What an instrumented copy must be told; other runs have none.
_NOTHING: dict[str, Any] = {
    "prefix": "", "memories": {}, "tables": {}, "numbers": {}, "held": {}, "probes": {"data": {}, "elements": {}},
    "candidates": None, "references": [], "pointer": None, "is64": False, "wide": [], "replayed": "(?!)", "callers": [],
    "whole": [], "most": 0,
}  # fmt: skip


class Script(NamedTuple):
    """The user's script, and with what it runs. `module`: the one that its glue asks for."""

    path: Path
    args: Sequence[str]
    module: Module
    node: Node
    host: Host
    deadline: Deadline
    guard: Guard


def run(
    script: Script,
    mode: Literal["record", "load", "time"],
    folder: Path,
    substitute: bytes | memoryview,
    take: Callable[[bytes], object],
    facts: dict[str, Any] | None = None,
    resumes: bool = False,
    validates: bytes | None = None,
) -> dict[str, Any]:
    """Runs a script whose glue gets `substitute` for its module, and gives back what hook.mjs or drive.mjs told.

    `facts`: of an instrumented copy. `resumes`: the state is there, so that `resume` is called and not `prepare`.
    `validates`: an output; where Node does not take it, the script is not run, and `OutputInvalid` is raised.
    Raises `ScriptFailed`, `CaptureRefused`, `RandomDenied`, `TimeLimit`, `ToolMissing`.
    """
    folder.mkdir()
    copy = folder / "module.wasm"
    copy.write_bytes(substitute)
    output = folder / "output.wasm"
    if validates:
        output.write_bytes(validates)
    host, module = script.host, script.module
    seed: int | str | None = script.host.seed
    job = {
        **_NOTHING,
        **(facts or {}),
        "mode": mode,
        "script": str(script.path),
        "args": list(script.args),
        "resumes": resumes,
        "substitute": str(copy),
        "validates": str(output) if validates else None,
        "sha256": module.sha256,
        "size": len(module.data),
        "world": {
            "clock": None if host.has_own_clock else host.time // 10**6,
            "seed": "deny" if host.random == "deny" else seed,
        },
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    arguments = ["--import", _HOOK.as_uri(), str(_DRIVE)]
    code, said = run_script(script.node, arguments, {"PREINIT_JOB": str(path)}, script.deadline, take, script.guard)
    outcome = read_outcome(folder)
    if outcome is not None and _DENIED in str(outcome.get("failed", "")):
        raise RandomDenied("the program asked for random numbers, and the capture has none (`--random deny`)")
    _check(outcome, code, said, script, folder)
    assert outcome is not None
    if invalid := outcome.get("invalid"):
        raise OutputInvalid(f"the output does not validate in Node {script.node.version}: {printable(str(invalid))}")
    return outcome


def _check(outcome: dict[str, Any] | None, code: int, said: str, script: Script, folder: Path) -> None:
    where = quoted(script.path.name)
    last = "".join(f"\n    {printable(line)}" for line in _last(said))
    if found := _LIMIT.search(str((outcome or {}).get("failed", "") if outcome else said)):
        number = getattr(errno, found[1])
        limit = as_limit(OSError(number, os.strerror(number)), "Node, which runs the script, could not write a file")
        if limit:
            raise limit
    if outcome is None and (found := _FULL.search(said)):
        raise ScriptFailed(
            f"Node has no memory left for what the script makes in JavaScript: {printable(found[1])}",
            where=where,
            hint="Have the script keep less, or allow Node more MiB: `NODE_OPTIONS=--max-old-space-size=8192`.",
        )
    if outcome is None and not (folder / "begun").exists() and (given := os.environ.get("NODE_OPTIONS")):
        raise ScriptFailed(
            f"Node ended with code {code}{_signal(code)} before the script began; the environment variable "
            f"NODE_OPTIONS has it do more: {quoted(given)}{last}",
            where=where,
            hint=WITHOUT_OPTIONS,
        )
    if outcome is None:
        raise ScriptFailed(
            f"the script ended Node with code {code}{_signal(code)} before the program was paused{last}", where=where
        )
    if misspelt := outcome.get("misspelt"):
        name, meant = printable(str(misspelt["name"])), printable(str(misspelt["meant"]))
        raise ScriptFailed(
            f"the script exports {name}, which nothing calls, and no {meant}: misspelt, or {meant} is missing",
            where=where,
            hint=f"Name it {meant}, or export {meant}, too.",
        )
    if failed := outcome.get("failed"):
        lines = [printable(line) for line in str(failed["said"]).splitlines()[:6]]
        shown = "\n    ".join(lines)
        said = f"the script failed {_place(failed)}: {shown}"
        raise ScriptFailed(said, where=where, hint=_with_flag(str(failed["said"])))
    if unfinished := outcome.get("unfinished"):
        if unfinished.get("bare"):
            raise _never(script, outcome)
        if "calls" in outcome:
            check_alive(recording_of(outcome, folder))
        called = f"process.exit() was called, with code {printable(str(unfinished.get('code')))}"
        never = "a top-level `await` never comes to its end" if unfinished["step"] == _IMPORTING else _WAITS
        why = never if unfinished.get("waits") else called
        unended = ", which had not come to its end" if unfinished["step"] not in _STAGES else ""
        raise ScriptFailed(f"the script ended {_place(unfinished)}{unended}: {why}{last}", where=where)
    if outcome.get("early"):
        raise ScriptFailed(
            "preinit.pause() was called in load(): each instance of the output would do again what load() does after "
            "it, on what was captured",
            where=where,
            hint="Call it in prepare(program), or leave it out: the program is paused when prepare() comes to its end.",
        )
    if outcome.get("wentOn"):
        raise ScriptFailed(
            "prepare() went on after preinit.pause(): it is ended there by what that throws, which nothing may catch",
            where=where,
            hint="Do nothing in prepare(program) after preinit.pause(), and let a `catch` around it throw again.",
        )
    if outcome.get("missing"):
        if outcome.get("instances"):
            raise CaptureRefused(
                "the script made the instance of the module in another process, or in a thread that does not answer",
                where=where,
                hint="Load the program in the process that runs the script. A thread must be able to take messages.",
            )
        raise _never(script, outcome)


def _last(said: str) -> list[str]:
    """The last lines that Node printed: from that of an error on, behind which its stack stands."""
    lines = said.strip().splitlines()
    errors = [number for number, line in enumerate(lines) if re.match(r"(Uncaught )?\w*Error\b.*:", line)]
    start = errors[-1] if errors else max(0, len(lines) - 6)
    return lines[start : start + 6]


def _place(outcome: dict[str, Any]) -> str:
    """Where in the script it was."""
    step = str(outcome["step"])
    return _STAGES.get(step, f"in {printable(step)}")


def _with_flag(said: str) -> str | None:
    """What to do where Node takes a module only with a flag; None where it says nothing of that."""
    found = _EXPERIMENTAL.search(said)
    if not found:
        return None
    shell = f"""printf '#!/bin/sh\\nexec node {found[1]} "$@"\\n' > node.sh && chmod +x node.sh"""
    return f"Use a newer Node, or one that gets this flag: `{shell}`, and `--node ./node.sh`."


def _signal(code: int) -> str:
    """The name of the signal that an exit code tells of."""
    try:
        return f" ({signal.Signals(-code).name})" if code < 0 else ""
    except ValueError:
        return ""


def _never(script: Script, outcome: dict[str, Any]) -> CaptureRefused:
    """`outcome`: with the sizes of other modules that were compiled."""
    sizes = [f"{int(size):,}" for size in outcome.get("others", ())]
    said = "the script made no instance of the module: "
    if not sizes:
        return CaptureRefused(
            said + "its main thread compiled no WebAssembly",
            where=quoted(script.path.name),
            hint="Have load(), or the script while it is imported, load the program by its glue, in the process that "
            "runs the script.",
        )
    return CaptureRefused(
        f"{said}no WebAssembly.instantiate got its {len(script.module.data):,} bytes; what was compiled has "
        f"{', '.join(sizes)} bytes",
        where=quoted(script.path.name),
        hint="Give the very file that the glue loads. Where its JavaScript holds the bytes (SINGLE_FILE), build it "
        "with a .wasm file of its own, or take them out: docs/glue.md shows how.",
    )
