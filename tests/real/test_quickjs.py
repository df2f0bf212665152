"""QuickJS by Emscripten, which imports its memory: a context that was made at build time is used through its glue."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from preinit import Call, Host, Options, Result, Returned, build
from preinit.binary.module import SectionId, parse
from preinit.binary.sections import ExternKind
from preinit.passes.parse.text import parse_text
from scripts.real import FOLDER
from tests.support.places import TESTS

MODULE, GLUE = FOLDER / "quickjs/emscripten-module.wasm", FOLDER / "quickjs/emscripten-module.cjs"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (MODULE.exists() and GLUE.exists()), reason="scripts/fetch_real quickjs fetches this module"
    ),
]

#: What the glue calls them: see its `c._QTS_NewRuntime=b.L` and so on.
CONSTRUCTORS, NEW_RUNTIME, NEW_CONTEXT = "v", "L", "O"

#: In place of the glue while it initializes: an empty environment, clocks at 0, and the memory that they write to.
IMPORTS = parse_text(b"""(module (memory (export "a") 256 32768)
    (func (export "e") (param i32 i32) (result i32) (i32.const 0))
    (func (export "f") (param i32 i32) (result i32)
        (i32.store (local.get 0) (i32.const 0)) (i32.store (local.get 1) (i32.const 0)) (i32.const 0))
    (func (export "p") (result f64) (f64.const 0))
    (func (export "q") (param i32 i64 i32) (result i32) (i64.store (local.get 2) (i64.const 0)) (i32.const 0)))""")


def built(*init_funcs: str | Call, **more: Any) -> Result:
    options = Options(
        init_funcs=init_funcs, preloads=(("a", IMPORTS),), host=Host(quiet_guest=True), cache=False, **more
    )
    return build(MODULE, options)


@pytest.fixture(scope="module")
def ready() -> Result:
    """A runtime and a context of it, in one build."""
    return built(CONSTRUCTORS, NEW_RUNTIME, Call(NEW_CONTEXT, Returned(), 0), keep_init_func="noop")


def node(wasm: bytes, folder: Path, *expressions: str) -> Any:
    if not shutil.which("node"):
        pytest.skip("needs node")
    (folder / "out.wasm").write_bytes(wasm)
    command = ["node", str(TESTS / "real/quickjs.mjs"), str(GLUE), str(folder / "out.wasm"), *expressions]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SCRIPTS = {
    "1 + 2": "3",
    "[1, 2, 3].map(x => x * x).join()": "1,4,9",
    "JSON.stringify({a: new Map([[1, 2]]).size, b: 'ä'.normalize('NFD').length})": '{"a":1,"b":2}',
    "globalThis.seen = (globalThis.seen ?? 0) + 1": "1",
    "seen + 1": "2",
    "/(?<year>\\d+)/u.exec('in 2026').groups.year": "2026",
    "Date.now() > 1e12": "true",
    "try { missing() } catch (e) { `${e.name}: ${e.message}` }": "ReferenceError: missing is not defined",
    "new Array(300000).fill('text').join('').length": "1200000",
}


def test_the_context_is_one_of_the_runtime_that_the_call_before_made(ready: Result) -> None:
    (runtime,) = built(CONSTRUCTORS, NEW_RUNTIME).report.runs[-1].results
    assert ready.report.runs[-2].results == (runtime,)
    assert ready.wasm == built(CONSTRUCTORS, NEW_RUNTIME, f"{NEW_CONTEXT}({runtime},0)", keep_init_func="noop").wasm


def test_its_own_glue_uses_the_context_that_was_made_at_build_time(ready: Result, tmp_path: Path) -> None:
    found = node(ready.wasm, tmp_path, *SCRIPTS)
    assert found["results"] == list(SCRIPTS.values())
    assert ((found["runtime"],), (found["context"],)) == tuple(run.results for run in ready.report.runs[-2:])


def test_nothing_is_made_again(ready: Result) -> None:
    """What the glue calls does nothing: the constructors, and what made the runtime and the context."""
    output = parse(ready.wasm)
    present = len(parse(MODULE.read_bytes()).function_types)
    for name in (CONSTRUCTORS, NEW_RUNTIME, NEW_CONTEXT):
        export = output.exported(name)
        assert export
        assert export.target >= present
    assert output.start is None


def test_an_untouched_module_gives_the_same_answers(tmp_path: Path) -> None:
    assert node(MODULE.read_bytes(), tmp_path, *SCRIPTS)["results"] == list(SCRIPTS.values())


def test_the_memory_is_imported_still_and_code_kept_its_bytes(ready: Result) -> None:
    original, output = parse(MODULE.read_bytes()), parse(ready.wasm)
    assert [(e.module, e.name, e.kind) for e in output.imports] == [
        (e.module, e.name, e.kind) for e in original.imports
    ]
    assert [e.name for e in output.imports if e.kind == ExternKind.MEMORY] == ["a"]
    sizes = [m.code_entries()[1] for m in (original, output) if m.section(SectionId.CODE)]
    assert sizes[1][: len(sizes[0])] == sizes[0]
