"""Programs that see the world in which they run: in wasmtime and in Node, as users start them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import wasmtime

from preinit.engine.ffi.config import STRATEGY_WINCH
from preinit.engine.runtime import has_winch

#: Node's WASI, which starts commands and reactors as its documentation says.
_NODE = """
import { openSync, readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';
const { file, env, args, entry, preopens, input } = JSON.parse(readFileSync(0));
const stdin = openSync(input);
const wasi = new WASI({ version: 'preview1', env, args, preopens, stdin, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(file));
const imports = wasi.getImportObject();
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] ??= {};
  imports[from][name] ??= () => { throw new Error(`${from}.${name} was called`); };
}
const instance = await WebAssembly.instantiate(module, imports);
if (entry === '_start') {
  process.exitCode = wasi.start(instance);
} else {
  wasi.initialize(instance);
  instance.exports[entry]();
}
"""

#: Its fast calls of WASI use memory that is gone after the guest grew it: https://github.com/nodejs/node/issues/53087
NODE = ("node", "--no-warnings", "--no-turbo-fast-api-calls")

Variables = Mapping[str, str] | Sequence[tuple[str, str]]


class _Compiled(NamedTuple):
    engine: wasmtime.Engine
    code: wasmtime.Module


#: Modules of more bytes are compiled by the baseline compiler, in a fifth of the time.
_LARGE = 1 << 20


@lru_cache(maxsize=2)
def _compiled(binary: bytes) -> _Compiled:
    engine = quick_engine() if len(binary) > _LARGE else wasmtime.Engine()
    return _Compiled(engine, wasmtime.Module(engine, binary))


def quick_engine() -> wasmtime.Engine:
    """One that compiles quickly, where this machine has it: the package has no name for it."""
    config = wasmtime.Config()
    if has_winch():
        wasmtime._ffi.wasmtime_config_strategy_set(config.ptr(), STRATEGY_WINCH)
    return wasmtime.Engine(config)


def in_wasmtime(
    binary: bytes,
    env: Variables = (),
    args: Sequence[str] = (),
    entry: str = "_start",
    dirs: Sequence[tuple[str, str]] = (),
    stderr: Path | None = None,
    stdin: bytes = b"",
) -> str:
    """What a fresh instance prints, with the engine's own WASI. Raises `wasmtime.ExitTrap` for another status than 0, `wasmtime.Trap`.

    Imports of other modules than WASI's are traps.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, given = Path(folder) / "output", Path(folder) / "input"
        given.write_bytes(stdin)
        module = _compiled(binary)
        store = wasmtime.Store(module.engine)
        wasi = wasmtime.WasiConfig()
        wasi.env = list(env.items() if isinstance(env, Mapping) else env)
        wasi.argv = list(args)
        wasi.stdin_file, wasi.stdout_file = str(given), str(output)
        if stderr:
            wasi.stderr_file = str(stderr)
        for host, guest in dirs:
            wasi.preopen_dir(host, guest)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(module.engine)
        linker.define_wasi()
        linker.define_unknown_imports_as_traps(module.code)
        instance = linker.instantiate(store, module.code)
        exports = instance.exports(store)
        names = ["_initialize", entry] if "_initialize" in exports and entry != "_start" else [entry]
        try:
            for name in names:
                exports[name](store)  # type: ignore[operator]
        except wasmtime.ExitTrap as ended:
            if ended.code:
                raise
        return output.read_text()


def in_node(
    binary: bytes,
    env: Variables = (),
    args: Sequence[str] = (),
    entry: str = "_start",
    dirs: Sequence[tuple[str, str]] = (),
    stdin: bytes = b"",
) -> str:
    """The same in Node, which refuses a command that has an `_initialize`. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as folder:
        file, script, given = (Path(folder) / name for name in ("module.wasm", "run.mjs", "input"))
        file.write_bytes(binary)
        given.write_bytes(stdin)
        script.write_text(_NODE)
        wanted = {"file": str(file), "env": dict(env), "args": list(args), "entry": entry, "input": str(given)}
        wanted["preopens"] = {guest: host for host, guest in dirs}
        done = subprocess.run(
            [*NODE, str(script)],
            input=json.dumps(wanted), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout
