"""One JavaScript engine and many scripts: each becomes a module that has it compiled, or that has run it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from preinit import Builder, Call, Result, Word, build
from preinit.errors import InitializerRefused
from tests.support.command import fails, run
from tests.support.real import Guest, module

pytestmark = pytest.mark.real

SCRIPTS = [
    f"console.log('script', {number}, [1, 2, 3].map((x) => x * {number}).join())".encode() for number in range(6)
]


def compiled(source: bytes) -> list[str | Call]:
    return ["initialize-runtime", Call("compile-src", source, returns="result")]


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_each_script_is_compiled_in_a_module_of_its_own(engine: str, tmp_path: Path) -> None:
    entry: Any = module("javy")
    with Builder(entry.path, engine=engine) as builder, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda source: builder.build(init_funcs=compiled(source)), SCRIPTS))
        with pytest.raises(InitializerRefused, match="Error: function name expected"):
            builder.build(init_funcs=compiled(b"function ("))
    assert len({result.wasm for result in results}) == len(SCRIPTS)
    assert results[0].wasm == build(entry.path, init_funcs=compiled(SCRIPTS[0]), engine="whole").wasm
    guest = Guest(results[3].wasm, tmp_path)
    invoke(guest, results[3])
    assert guest.out() == "script 3 3,6,9\n"


def invoke(guest: Guest, result: Result) -> None:
    """Runs the script whose bytecode is in the output, where `compile-src` said."""
    (place,) = next(run.results for run in result.report.runs if run.function == "compile-src")
    assert isinstance(place, int)
    failed, bytecode, size = guest.words(place, 3)
    assert not failed
    guest.call("invoke", bytecode, size, 0, 0, 0)


def test_a_script_can_be_run_in_the_initializer_too(tmp_path: Path) -> None:
    """What it left is there when an instance runs it again."""
    source = b"globalThis.runs = (globalThis.runs || 0) + 1; console.log('run', globalThis.runs)"
    calls = [*compiled(source), Call("invoke", Word(4), Word(8), 0, 0, 0)]
    result = build(module("javy").path, init_funcs=calls, keep_init_func=True)
    invoke(Guest(result.wasm, tmp_path), result)
    assert (tmp_path / "out").read_text() == "run 2\n"


def test_a_folder_of_scripts_becomes_a_folder_of_modules(tmp_path: Path) -> None:
    entry = module("javy")
    (tmp_path / "scripts").mkdir()
    for number, source in enumerate(SCRIPTS):
        (tmp_path / "scripts" / f"s{number}.js").write_bytes(source)
    arguments = ("-i", entry.path, "-o", tmp_path / "out", "-f", "initialize-runtime", "-f", "compile-src(@{})?")
    run("batch", tmp_path / "scripts", *arguments, code=0)
    outputs = {path.stem: path.read_bytes() for path in (tmp_path / "out").glob("*.wasm")}
    assert outputs == {f"s{n}": build(entry.path, init_funcs=compiled(s)).wasm for n, s in enumerate(SCRIPTS)}
    (tmp_path / "scripts" / "bad.js").write_text("function (")
    said = fails("batch", tmp_path / "scripts", *arguments, "--resume")
    assert "bad.wasm" in said and "function name expected" in said
    assert "up to date         6" in said
