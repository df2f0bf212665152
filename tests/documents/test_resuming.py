"""The pattern that docs/writing.md shows to authors: prepared at build time, refreshed where it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import wasmtime

from preinit import Host, Result, build
from tests.support.places import ROOT

RESUME = ROOT / "fixtures/resume/resume.wasm"


def prepared(tmp_path: Path, printed: bytearray | None = None, **options: object) -> Result:
    data = tmp_path / "build-data"
    data.mkdir()
    (data / "note").write_text("written before the build")
    stdout = None if printed is None else printed.extend
    host = Host(env={"MODE": "build"}, dirs={str(data): "/data"}, stdout=stdout)  # type: ignore[arg-type]
    return build(RESUME, rename_funcs={"_start": "preinit_resume"}, host=host, cache=False, **options)


def started(binary: bytes, tmp_path: Path) -> str:
    """What the output prints in a world of its own."""
    data = tmp_path / "run-data"
    data.mkdir(exist_ok=True)
    (data / "note").write_text("written after the build")
    wasi = wasmtime.WasiConfig()
    wasi.env = [("MODE", "run")]
    wasi.stdout_file = str(tmp_path / "out")
    wasi.preopen_dir(str(data), "/data")
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, wasmtime.Module(engine, binary))
    instance.exports(store)["_start"](store)
    return (tmp_path / "out").read_text()


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_program_sees_the_world_that_it_runs_in(tmp_path: Path, engine: str) -> None:
    printed = bytearray()
    result = prepared(tmp_path, printed, engine=engine)
    assert b"mode build\nnote written before the build\n" in printed
    said = started(result.wasm, tmp_path)
    assert said.startswith("mode run\nnote written after the build\nsquare 998001\nseed ")


def test_random_numbers_are_fresh_in_every_instance(tmp_path: Path) -> None:
    result = prepared(tmp_path)
    seeds = {re.search("seed (.*)", started(result.wasm, tmp_path))[1] for _ in range(3)}  # type: ignore[index]
    assert len(seeds) == 3
