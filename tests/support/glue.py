"""Small programs with hand-written JavaScript glue, and captures of them in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit.node import proof
from tests.support.modules import wasm

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")

#: As Emscripten's is: constructors, a heap that grows, an import that JavaScript keeps something of.
PROGRAM = """(module
  (import "env" "_embind_register_thing" (func $register (param i32 i32)))
  (import "env" "emscripten_date_now" (func $now (result f64)))
  (memory (export "memory") 1)
  (table (export "table") 4 funcref)
  (elem (i32.const 1) $one $two)
  (global $__stack_pointer (mut i32) (i32.const 4096))
  (global $count (mut i32) (i32.const 0))
  (type $get (func (result i32)))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "__wasm_call_ctors")
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
    (i32.store8 (i32.const 4000) (i32.const 104))
    (i32.store8 (i32.const 4001) (i32.const 105))
    (global.set $__stack_pointer (i32.const 4000))
    (call $register (i32.const 7) (i32.const 4000))
    (global.set $__stack_pointer (i32.const 4096))
    (i32.store16 (i32.const 4000) (i32.const 0)))
  (func (export "boot") (result i32)
    (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1)))
    (i32.load (i32.const 20)))
  (func (export "add") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  (func (export "constructed") (result i32) (i32.load (i32.const 16)))
  (func (export "booted") (result i32) (i32.load (i32.const 20)))
  (func (export "now") (result f64) (call $now))
  (func (export "grow") (result i32) (memory.grow (i32.const 3)))
  (func (export "take") (param i32) (result i32) (call_indirect (type $get) (local.get 0)))
  (func (export "put") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "get") (param i32) (result i32) (i32.load (local.get 0))))"""

#: Loads it. JavaScript keeps `things`: what was registered, with the text that it points to.
GLUE = """
import { readFileSync } from "node:fs";
export async function start(more = {}) {
  const things = [];
  const text = (at) => Buffer.from(instance.exports.memory.buffer, at, 2).toString();
  const env = {
    _embind_register_thing(id, at) { things.push(`${id} ${text(at)}`); },
    emscripten_date_now: () => Date.now(),
    ...more,
  };
  const bytes = readFileSync(new URL("app.wasm", import.meta.url));
  const { instance } = await WebAssembly.instantiate(bytes, { env });
  instance.exports.__wasm_call_ctors();
  return { things, ...instance.exports };
}
"""
LOAD = 'import { start } from "./glue.mjs";\nexport const load = () => start();\n'
SCRIPT = (
    LOAD
    + """
export const prepare = (p) => { p.add(40); };
export const answer = (p) => [p.add(2), p.constructed(), p.things];
"""
)


def project(
    folder: Path, script: str = SCRIPT, text: str = PROGRAM, glue: str = GLUE, name: str = "prepare.mjs"
) -> Path:
    """Writes a program, its glue and a script into a folder; the script's path."""
    folder.mkdir(exist_ok=True)
    (folder / "app.wasm").write_bytes(wasm(text))
    (folder / "glue.mjs").write_text(glue)
    (folder / name).write_text(script)
    return folder / name


def captured(
    folder: Path, script: str = SCRIPT, text: str = PROGRAM, glue: str = GLUE, **options: Any
) -> preinit.Result:
    """Captures such a program."""
    place = project(folder, script, text, glue)
    return preinit.capture(folder / "app.wasm", place, **options)


def in_glue(folder: Path, result: preinit.Result, program: str, node: str | None = None) -> Any:
    """What a JavaScript program prints as JSON, whose glue loads the output in the place of the input."""
    if not (folder / "glue.mjs").exists():
        project(folder)
    (folder / "app.wasm").write_bytes(result.wasm)
    (folder / "later.mjs").write_text(f'import {{ start }} from "./glue.mjs";\n{program}')
    assert NODE is not None
    done = subprocess.run(
        [node or NODE, "later.mjs"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def codes(result: preinit.Result) -> list[str]:
    return [warning.code for warning in result.report.warnings]


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> preinit.Result:
    """The capture of the program as it stands here, by the script that stands here, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "ROUNDS", 1)
        return captured(tmp_path_factory.mktemp("usual"))


@pytest.fixture(autouse=True)
def started_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Input and output are started once, not three times, to be measured: nothing here looks at the figures.

    `several_rounds` leaves it as it is.
    """
    if "several_rounds" not in request.keywords:
        monkeypatch.setattr(proof, "ROUNDS", 1)
