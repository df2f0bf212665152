"""Tools that call wizer, from npm, with wizer or with preinit-wizer: what they make, and what that answers.

`scripts/fetch_real wizer-tools` installs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
TREE = SCRIPTS.parent / "fixtures" / "real" / "wizer-tools"
PACKAGES = TREE / "node_modules"

#: Wizer as each of the tools brings it, and the newest one.
WIZERS = {
    "componentize-js": PACKAGES
    / "@bytecodealliance/componentize-js/node_modules/@bytecodealliance/wizer-linux-x64/wizer",
    "js-compute": PACKAGES / "@fastly/js-compute/node_modules/@bytecodealliance/wizer-linux-x64/wizer",
    "newest": PACKAGES / "@bytecodealliance/wizer-linux-x64/wizer",
}

#: Their packages.
TOOLS = {
    "componentize-js": PACKAGES / "@bytecodealliance/componentize-js",
    "js-compute": PACKAGES / "@fastly/js-compute",
}

#: Seconds that a tool may take.
PATIENCE = 900


def version_of(path: Path) -> str:
    """The version of the npm package that a file or folder belongs to."""
    manifest = next(folder / "package.json" for folder in (path, *path.parents) if (folder / "package.json").exists())
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])


def program(path: Path, command: Sequence[str | Path]) -> Path:
    """Makes `path` a program that is that command: tools want the path of one, and give it an environment of theirs."""
    quoted = " ".join("'" + str(part).replace("'", "'\\''") + "'" for part in command)
    path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    path.chmod(0o755)
    return path


def preinit_wizer(path: Path) -> Path:
    """preinit-wizer of this checkout as a program: no variable says where it is, since the guest would see that."""
    here = str(SCRIPTS.parent)
    code = f"import sys; sys.path.insert(0, {here!r}); from preinit.cli import main_of_wizer; main_of_wizer()"
    return program(path, [sys.executable, "-c", code])


def _run(command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, check=False, **more
    )


def componentize(source: Path, world: Path, output: Path, wizer: Path | None) -> float:
    """Makes a component with componentize-js and that wizer, or its own; the seconds of it. Raises `RuntimeError`."""
    done = _run(
        ["node", SCRIPTS / "componentize.mjs", TREE, "make", source, world, output, *([wizer] if wizer else [])]
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def call_component(component: Path, folder: Path, *calls: Sequence[Any]) -> list[Any]:
    """What calls of a component's exports return: name and arguments of each. `folder`: for what is made of it."""
    command = ["node", SCRIPTS / "componentize.mjs", TREE, "call", component, folder, *map(json.dumps, calls)]
    done = _run(command)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def js_compute(
    source: Path, output: Path, wizer: Path | None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What @fastly/js-compute says when it builds with that wizer, or with its own."""
    hook = ["--import", SCRIPTS / "wizer_hook.mjs"] if wizer else []
    tool = PACKAGES / "@fastly/js-compute/dist/cli/js-compute-runtime-cli.js"
    given = {**os.environ, **(environment or {}), "WIZER": str(wizer or "")}
    return _run(["node", *hook, tool, source.name, output], cwd=source.parent, env=given)


def answer_request(module: Path, address: str) -> tuple[list[str], bytes]:
    """What a program of Fastly's does with a GET request: its calls of the host, and what it writes.

    The host does as little as it can: each call succeeds; the request has the address `address` and no body.
    """
    import struct

    import wasmtime

    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    compiled = wasmtime.Module.from_file(engine, str(module))
    calls: list[str] = []
    written: list[bytes] = []

    def define(entry: Any) -> None:
        def called(caller: Any, *given: int) -> int | None:
            calls.append(entry.name)
            memory = caller["memory"]

            def word(place: int, number: int) -> None:
                memory.write(caller, struct.pack("<I", number), place)

            def text(place: int, size: int, data: bytes) -> None:
                memory.write(caller, data, place)
                word(size, len(data))

            if entry.name == "body_downstream_get":
                word(given[0], 1)
                word(given[1], 2)
            elif entry.name == "method_get":
                text(given[1], given[3], b"GET")
            elif entry.name == "uri_get":
                text(given[1], given[3], address.encode())
            elif entry.name == "write":
                written.append(bytes(memory.read(caller, given[1], given[1] + given[2])))
                word(given[4], given[2])
            elif entry.name == "new":
                word(given[0], 10 + len(calls))
            return 0 if entry.type.results else None

        linker.define_func(entry.module, entry.name, entry.type, called, access_caller=True)

    for entry in compiled.imports:
        if isinstance(entry.type, wasmtime.FuncType) and entry.module != "wasi_snapshot_preview1":
            define(entry)
    linker.instantiate(store, compiled).exports(store)["_start"](store)
    return calls, b"".join(written)
