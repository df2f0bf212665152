"""What scripts may look like, and where a program may run."""

from __future__ import annotations

from pathlib import Path

import pytest

import preinit
from preinit.errors import CaptureRefused, ScriptFailed
from tests.support.glue import GLUE, LOAD, SCRIPT, captured, codes, in_glue, needs_node, project

pytestmark = needs_node

LATER = "const p = await start(); console.log(JSON.stringify([p.add(2), p.constructed()]))"


@pytest.mark.parametrize(
    "script",
    [
        "const p = await start(); p.add(40);",
        "start().then((p) => { setTimeout(() => p.add(40), 20); });",
        "const p = await start(); p.add(40); preinit.pause(); p.add(1000);",
        "const p = await start(); p.add(40); process.exit(0);",
        "const p = await start(); preinit.loaded(); p.add(40); preinit.pause();",
    ],
)
def test_a_bare_script_is_paused_at_its_end_or_where_it_says(tmp_path: Path, script: str) -> None:
    result = captured(tmp_path, f'import {{ start }} from "./glue.mjs";\n{script}')
    assert in_glue(tmp_path, result, LATER) == [42, 1]


def test_a_bare_script_that_says_when_its_program_is_loaded_is_compared_up_to_there(tmp_path: Path) -> None:
    script = 'import { start } from "./glue.mjs";\nconst p = await start(); preinit.loaded(); p.add(40);'
    result = captured(tmp_path, script)
    facts = result.report.capture
    assert facts is not None
    assert facts.differences == ()
    assert codes(result) == ["glue-unproven"]
    without = captured(tmp_path, script.replace("preinit.loaded();", ""))
    assert without.wasm == result.wasm
    assert without.report.capture is not None
    assert without.report.capture.differences is None
    (warning,) = without.report.warnings
    assert "the output was not loaded" in warning.message


def test_a_bare_script_that_loads_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureRefused, match="made no instance"):
        captured(tmp_path, "console.log('nothing');")
    with pytest.raises(ScriptFailed, match="there is no instance of the module"):
        captured(tmp_path, "preinit.pause();")


def test_a_script_with_steps_may_pause_in_the_middle_of_them(tmp_path: Path) -> None:
    script = LOAD + "export const prepare = (p) => { p.add(40); preinit.pause(); p.add(1000); };"
    result = captured(tmp_path, script + "export const answer = (p) => [p.add(2), p.constructed()];")
    assert in_glue(tmp_path, result, LATER) == [42, 1]


COMMON = """
const start = async () => (await import("./glue.mjs")).start();
module.exports = {
  load: start,
  prepare(p) { p.add(40); },
  answer: (p) => [p.add(2), p.things],
};
"""


@pytest.mark.parametrize("form", [COMMON, COMMON.replace("module.exports = {", "module.exports = 1 ? {") + " : {};"])
def test_a_script_may_be_common_javascript(tmp_path: Path, form: str) -> None:
    """Of the second form, Node can't tell the names of the exports before it runs it."""
    project(tmp_path)
    (tmp_path / "prepare.cjs").write_text(form if form == COMMON else form.replace("};\n :", "}\n :"))
    result = preinit.capture(tmp_path / "app.wasm", tmp_path / "prepare.cjs")
    assert result.report.capture is not None
    assert result.report.capture.answered
    assert in_glue(tmp_path, result, LATER) == [42, 1]


def test_glue_may_be_common_javascript(tmp_path: Path, usual: preinit.Result) -> None:
    project(tmp_path)
    glue = GLUE.replace("export async function", "exports.start = async function").replace(
        "import.meta.url", '"file://" + __filename'
    )
    (tmp_path / "glue.cjs").write_text(
        glue.replace('import { readFileSync } from "node:fs";', 'const { readFileSync } = require("node:fs");')
    )
    script = SCRIPT.replace(
        'import { start } from "./glue.mjs"', 'import glue from "./glue.cjs"; const { start } = glue'
    )
    (tmp_path / "prepare.mjs").write_text(script)
    assert preinit.capture(tmp_path / "app.wasm", tmp_path / "prepare.mjs").wasm == usual.wasm


WORKER = """
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { start } from "./glue.mjs";
if (!isMainThread) {
  const p = await start();
  parentPort.on("message", ([name, ...given]) => parentPort.postMessage(p[name]?.(...given) ?? null));
  parentPort.postMessage("ready");
}
const said = (worker) => new Promise((resolve) => worker.once("message", resolve));
const asked = (worker, ...call) => { worker.postMessage(call); return said(worker); };
export const load = async () => { const worker = new Worker(new URL(import.meta.url)); await said(worker); return worker; };
export const prepare = (worker) => asked(worker, "add", 40);
export const answer = async (worker) => [await asked(worker, "add", 2), await asked(worker, "constructed")];
"""


def test_a_program_may_run_in_a_worker(tmp_path: Path) -> None:
    result = captured(tmp_path, WORKER)
    facts = result.report.capture
    assert facts is not None
    assert facts.answered
    assert [one.export for one in facts.stand_ins] == ["__wasm_call_ctors"]
    assert in_glue(tmp_path, result, LATER) == [42, 1]


def test_a_script_may_wait_for_the_pause_of_a_program_in_a_worker(tmp_path: Path) -> None:
    script = (
        WORKER.partition("export const load")[0]
        + """
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  await said(worker);
  await asked(worker, "add", 40);
  await preinit.pause();
  await asked(worker, "add", 1000);
}
"""
    )
    result = captured(tmp_path, script)
    assert in_glue(tmp_path, result, LATER) == [42, 1]


def test_arguments_are_found_behind_the_scripts_name(tmp_path: Path) -> None:
    script = SCRIPT.replace(
        "p.add(40)", "p.add(Number(process.argv[2])); if (process.argv[1] !== 'prepare.mjs') throw process.argv"
    )
    result = captured(tmp_path, script, args=["41"])
    assert in_glue(tmp_path, result, LATER) == [43, 1]


def test_what_a_script_prints_goes_to_who_wants_it(tmp_path: Path) -> None:
    printed = bytearray()
    captured(
        tmp_path,
        SCRIPT.replace("p.add(40);", "p.add(40); console.log('told'); console.error('too');"),
        stderr=printed.extend,
    )
    assert b"told" in printed
    assert b"too" in printed


def test_the_clock_stands_where_it_is_set_and_moves_with_each_reading(tmp_path: Path) -> None:
    script = SCRIPT.replace(
        "p.add(40);", "p.put(64, p.now() / 1000); const a = p.now(); p.put(68, p.now() - a);"
    ).replace("p.add(2), ", "")
    result = captured(tmp_path, script, clock=1_700_000_000)
    assert in_glue(tmp_path, result, "const p = await start(); console.log(JSON.stringify([p.get(64), p.get(68)]))") == [
        1_700_000_000, 1,
    ]  # fmt: skip
    now = in_glue(tmp_path, captured(tmp_path, script, clock="host"), "console.log((await start()).get(64))")
    assert now > 1_790_000_000


CLOCKS = """
import crypto, { randomBytes, randomInt, randomFillSync, randomUUID } from "node:crypto";
import { performance as perf } from "node:perf_hooks";
const fill = (f) => new Promise((resolve) => f((_, value) => resolve(String(value))));
const all = async () => [
  Date(), new Date().getTime(), Date.now(), new Date(5).getTime(), new Date() instanceof Date, Date.UTC(2020, 1), performance.now(), perf.now(),
  performance.timeOrigin, process.hrtime(), process.hrtime([0, 1]), String(process.hrtime.bigint()), process.uptime(), Math.random(),
  globalThis.crypto.getRandomValues(new Uint16Array(4)).join(), globalThis.crypto.randomUUID(), crypto.webcrypto.randomUUID(),
  randomBytes(4).toString("hex"), randomInt(1000), randomInt(5, 9), randomUUID(), randomFillSync(new Uint8Array(4), 1).join(),
  await fill((f) => crypto.randomBytes(4, f)), await fill((f) => crypto.randomInt(99, f)), await fill((f) => crypto.randomFill(new Uint8Array(3), f)),
];
export const answer = all;
"""


def test_every_clock_and_every_source_of_random_numbers_is_the_same_in_each_run(tmp_path: Path) -> None:
    """Else the answers of several runs would not be equal."""
    result = captured(tmp_path, LOAD + "export const prepare = () => 0;" + CLOCKS)
    assert result.report.capture is not None
    assert result.report.capture.answered


def test_another_seed_gives_other_random_numbers(tmp_path: Path) -> None:
    script = SCRIPT.replace("p.add(40);", "p.put(64, Math.random() * 1e9);").replace("p.add(2), ", "")
    one, other = captured(tmp_path, script, random="seed:1"), captured(tmp_path, script, random="seed:2")
    assert one.wasm != other.wasm
    assert captured(tmp_path, script, random="seed:1").wasm == one.wasm
