"""Programs that see the world in which they run: in wasmtime and in Node, as users start them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import wasmtime

#: Node's WASI, which starts commands and reactors as its documentation says.
_NODE = """
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';
const { file, env, args, entry, preopens } = JSON.parse(readFileSync(0));
const wasi = new WASI({ version: 'preview1', env, args, preopens, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(file));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
if (entry === '_start') {
  process.exitCode = wasi.start(instance);
} else {
  wasi.initialize(instance);
  instance.exports[entry]();
}
"""

Variables = Mapping[str, str] | Sequence[tuple[str, str]]


def in_wasmtime(
    binary: bytes,
    env: Variables = (),
    args: Sequence[str] = (),
    entry: str = "_start",
    dirs: Sequence[tuple[str, str]] = (),
    stderr: Path | None = None,
) -> str:
    """What a fresh instance prints, with the engine's own WASI. Raises `wasmtime.ExitTrap`, `wasmtime.Trap`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        engine = wasmtime.Engine()
        store = wasmtime.Store(engine)
        wasi = wasmtime.WasiConfig()
        wasi.env = list(env.items() if isinstance(env, Mapping) else env)
        wasi.argv = list(args)
        wasi.stdout_file = str(output)
        if stderr:
            wasi.stderr_file = str(stderr)
        for host, guest in dirs:
            wasi.preopen_dir(host, guest)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        instance = linker.instantiate(store, wasmtime.Module(engine, binary))
        exports = instance.exports(store)
        names = ["_initialize", entry] if "_initialize" in exports and entry != "_start" else [entry]
        for name in names:
            exports[name](store)  # type: ignore[operator]
        return output.read_text()


def in_node(
    binary: bytes,
    env: Variables = (),
    args: Sequence[str] = (),
    entry: str = "_start",
    dirs: Sequence[tuple[str, str]] = (),
) -> str:
    """The same in Node, which refuses a command that has an `_initialize`. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as folder:
        file, script = Path(folder) / "module.wasm", Path(folder) / "run.mjs"
        file.write_bytes(binary)
        script.write_text(_NODE)
        wanted = {"file": str(file), "env": dict(env), "args": list(args), "entry": entry}
        wanted["preopens"] = {guest: host for host, guest in dirs}
        done = subprocess.run(
            ["node", "--no-warnings", str(script)],
            input=json.dumps(wanted), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout
