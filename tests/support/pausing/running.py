"""Running a command as users do: what it prints, and how it ends."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import wasmtime

from tests.support.pausing.traces import engine


class Ended(NamedTuple):
    """What a command printed, and its exit code; -1 for a trap."""

    output: str
    error: str
    status: int


def run_command(
    binary: bytes,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    dirs: Sequence[tuple[str, str]] = (),
    traps: bool = False,
) -> Ended:
    """Runs `_start` in wasmtime, with the engine's own WASI. `traps`: for imports that it lacks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_bytes(stdin)
        wasi = wasmtime.WasiConfig()
        wasi.stdin_file, wasi.stdout_file, wasi.stderr_file = (str(folder / n) for n in ("in", "out", "err"))
        wasi.env, wasi.argv = list((env or {}).items()), list(args)
        for host, guest in dirs:
            wasi.preopen_dir(host, guest)
        store = wasmtime.Store(engine())
        store.set_wasi(wasi)
        linker = wasmtime.Linker(store.engine)
        linker.define_wasi()
        module = wasmtime.Module(store.engine, binary)
        if traps:
            linker.define_unknown_imports_as_traps(module)
        start = linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        status = 0
        try:
            start(store)
        except wasmtime.ExitTrap as end:
            status = end.code
        except wasmtime.Trap:
            status = -1
        return Ended((folder / "out").read_text(), (folder / "err").read_text(), status)
