"""What JavaScript holds of a program that was prepared: threads, tables, and what was told to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import preinit
from preinit.binary.module import parse
from preinit.errors import AnswerDiffers, CaptureRefused, Misfit, ScriptFailed
from tests.support.glue import GLUE, LOAD, PROGRAM, SCRIPT, captured, codes, in_glue, needs_node

pytestmark = needs_node


def said(result: preinit.Result, code: str) -> str:
    (warning,) = (warning for warning in result.report.warnings if warning.code == code)
    return warning.message


LATE = PROGRAM.replace("emscripten_date_now", "NAME")


def test_what_the_program_told_javascript_after_it_was_loaded_is_named(tmp_path: Path) -> None:
    script = LOAD.replace("start()", "start({ js_note: () => 0 })")
    quiet = script + "export const prepare = (p) => { p.now(); p.now(); }; export const answer = () => 1;"
    text = LATE.replace("NAME", "js_note")
    result = captured(tmp_path, quiet, text)
    assert "called `js_note` (2 calls) after it was loaded" in said(result, "glue-late")
    assert codes(captured(tmp_path, quiet, text, drop=["js_note"])) == []
    assert codes(captured(tmp_path, quiet.replace("p.now(); p.now();", ""), text)) == []


def test_changes_of_the_glues_folders_are_told(tmp_path: Path) -> None:
    names = [f"__syscall_{name}" for name in ("rmdir", "mkdirat", "unlinkat", "renameat")]
    imports = "".join(f'(import "env" "{name}" (func ${name}))' for name in names)
    calls = "".join(f"(call ${name})" for name in names)
    text = f'(module {imports} (memory 1) (func (export "__wasm_call_ctors")) (func (export "use") {calls}))'
    script = LOAD.replace("start()", f"start({{ {', '.join(f'{name}: () => 0' for name in names)} }})")
    script += "export const prepare = (p) => p.use(); export const answer = () => 1;"
    told = said(captured(tmp_path, script, text), "glue-written")
    assert [name for name in names if f"`{name}` (1 call)" in told] == names


THREADS = """
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { start } from "./glue.mjs";
if (!isMainThread) { const p = await start(); p.add(1); parentPort.postMessage("ready"); parentPort.on("message", () => 0); }
const running = () => new Promise((resolve) => { const w = new Worker(new URL(import.meta.url)); w.once("message", () => resolve(w)); });
export const prepare = async () => { await running(); MORE };
"""


@pytest.mark.parametrize("more", ["await running()", "await start()"])
def test_instances_of_several_threads_are_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(
        CaptureRefused, match=r"made 2 instances of the module \(by start, glue.mjs:12; start, glue.mjs:12\)"
    ):
        captured(tmp_path, THREADS.replace("MORE", more))


BOOTS = GLUE.replace(
    "return { things", "const first = [instance.exports.boot(), instance.exports.boot()];\n  return { first, things"
)


def test_an_export_runs_once_however_often_loading_calls_it(tmp_path: Path) -> None:
    result = captured(tmp_path, SCRIPT.replace("p.constructed()", "p.first, p.booted()"), glue=BOOTS, once=["boot"])
    assert codes(result) == []
    later = "const p = await start(); console.log(JSON.stringify([p.first, p.booted(), p.boot(), p.booted()]));"
    assert in_glue(tmp_path, result, later) == [[1, 2], 2, 3, 3]


def test_an_export_that_only_prepare_called_is_told_when_it_is_named(tmp_path: Path) -> None:
    result = captured(tmp_path, SCRIPT.replace("p.add(2), ", ""), once=["add"])
    assert "1 call of it in the output will only return what was returned" in said(result, "glue-once")


STARTS = PROGRAM.replace(
    '(func (export "now")',
    """(func $begin (i32.store16 (i32.const 300) (i32.const 0x6969)) (call $register (i32.const 9) (i32.const 300)))
  (start $begin) (func (export "now")""",
)
STARTING = (
    GLUE.replace("const text = (at) =>", "const text = (at) => !loaded ? 'early' :")
    .replace(
        "export async function start(more = {}) {", "export async function start(more = {}) {\n  let loaded = false;"
    )
    .replace("instance.exports.__wasm_call_ctors", "loaded = true;\n  instance.exports.__wasm_call_ctors")
)


def test_import_calls_of_the_start_function_are_made_again_too(tmp_path: Path) -> None:
    result = captured(tmp_path, SCRIPT.replace(", p.things]", ", p.things.length]"), STARTS, STARTING)
    assert in_glue(tmp_path, result, "console.log(JSON.stringify((await start()).things))") == ["9 ii", "7 hi"]
    without = STARTS.replace('(export "__wasm_call_ctors")', '(export "other")')
    glue = STARTING.replace("loaded = true;\n  instance.exports.__wasm_call_ctors();", "")
    result = captured(tmp_path, SCRIPT.replace("p.constructed(), p.things", "1"), without, glue)
    assert "the start function called `_embind_register_thing` (1 call)" in said(result, "glue-import-dropped")


def test_a_call_that_can_not_be_made_again_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misfit, match="no call of the import 'emscripten_date_now', which `replay` names"):
        captured(tmp_path, replay=["emscripten_date_now"])


def test_calls_are_made_again_with_what_they_pointed_to_wherever_that_lay(tmp_path: Path) -> None:
    """A long static text whose end prepare() changes, and a text of 100 characters that stood on the stack."""
    text = PROGRAM.replace(
        '(func (export "__wasm_call_ctors")',
        f"""(data (i32.const 600) "{"n" * 2000}")
  (func (export "__wasm_call_ctors")
    (memory.fill (i32.const 3900) (i32.const 120) (i32.const 99)) (global.set $__stack_pointer (i32.const 3900))
    (call $register (i32.const 1) (i32.const 600)) (call $register (i32.const 2) (i32.const 3900))
    (memory.fill (i32.const 3900) (i32.const 0) (i32.const 100)) (global.set $__stack_pointer (i32.const 4096)))
  (func (export "unused")""",
    )
    glue = GLUE.replace("buffer, at, 2).toString()", "buffer).toString('latin1', at).split('\\0')[0]")
    script = SCRIPT.replace("p.add(40);", "p.put(2500, 0x58585858); p.put(3000, 3);").replace(
        "[p.add(2), p.constructed(), ", "[p.get(2500), "
    )
    result = captured(tmp_path, script, text, glue)
    later = "const p = await start(); console.log(JSON.stringify([p.things, p.get(2500), p.get(3900)]));"
    assert in_glue(tmp_path, result, later) == [[f"1 {'n' * 2000}", f"2 {'x' * 99}"], 0x58585858, 0]


def test_a_table_that_the_program_grew_stays_as_long(tmp_path: Path) -> None:
    text = PROGRAM.replace(
        '(func (export "grow")',
        '(func (export "more") (drop (table.grow 0 (ref.null func) (i32.const 4)))) (func (export "grow")',
    )
    script = LOAD + "export const prepare = (p) => p.more(); export const answer = (p) => p.table.length;"
    result = captured(tmp_path, script, text)
    assert parse(result.wasm).tables[0].limits.minimum == 8
    assert codes(result) == []


def test_undefined_is_not_null(tmp_path: Path) -> None:
    text = (
        '(module (memory (export "memory") 1) (table (export "table") 2 externref) (func (export "__wasm_call_ctors")))'
    )
    with pytest.raises(CaptureRefused, match="holds objects of JavaScript") as caught:
        captured(tmp_path, LOAD + "export const prepare = (p) => p.table.set(0, undefined);", text)
    assert "set its entries to null" in (caught.value.hint or "")
    assert "Pyodide" not in (caught.value.hint or "")
    imported = '(module (import "env" "t" (table 2 externref)) (memory 1) (func (export "__wasm_call_ctors")))'
    script = LOAD.replace("start()", "start({ t: new WebAssembly.Table({ initial: 2, element: 'externref' }) })")
    with pytest.raises(CaptureRefused, match="holds objects of JavaScript"):
        captured(tmp_path, script + "export const prepare = () => 0;", imported)
    filled = script.replace("'externref' })", "'externref' }, null)")
    assert captured(tmp_path, filled + "export const prepare = () => 0;", imported).wasm


def test_functions_of_the_program_can_be_given_to_it_and_to_globals(tmp_path: Path) -> None:
    text = """(module (memory (export "memory") 1) (global $kept (export "kept") (mut funcref) (ref.null func))
      (func $seven (export "seven") (result i32) (i32.const 7)) (elem declare func $seven) (func (export "__wasm_call_ctors"))
      (func (export "take") (param funcref) (result i32) (ref.is_null (local.get 0))))"""
    script = (
        LOAD
        + """
export const prepare = (p) => {
  if (p.take(p.seven)) throw new Error("null");
  p.kept.value = p.seven;
  new WebAssembly.Global({ value: "anyfunc", mutable: true }, p.seven);
  new WebAssembly.Table({ initial: 1, element: "anyfunc" }, p.seven);
};
export const answer = (p) => p.take(p.kept.value);
"""
    )
    assert in_glue(tmp_path, captured(tmp_path, script, text), "console.log((await start()).kept.value())") == 7


WORKING = """
import { readFileSync } from "node:fs";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
if (!isMainThread) {
  const env = { _embind_register_thing() {}, emscripten_date_now: () => 0 };
  const { exports: p } = await WebAssembly.instantiate(workerData, { env });
  p.__wasm_call_ctors();
  parentPort.on("message", (number) => parentPort.postMessage(p.add(number)));
  parentPort.postMessage("ready");
}
const said = (worker) => new Promise((resolve) => worker.once("message", resolve));
export const load = async () => {
  const module = await WebAssembly.compile(readFileSync(new URL("app.wasm", import.meta.url)));
  const worker = new Worker(new URL(import.meta.url), { workerData: module });
  await said(worker);
  return worker;
};
export const prepare = (worker) => (worker.postMessage(40), said(worker));
export const answer = (worker) => (worker.postMessage(2), said(worker));
"""


def test_a_module_may_be_compiled_in_one_thread_and_run_in_another(tmp_path: Path) -> None:
    result = captured(tmp_path, WORKING)
    assert in_glue(tmp_path, result, "console.log((await start()).add(2))") == 42


def test_a_program_in_another_process_is_told(tmp_path: Path) -> None:
    script = """
import { fork } from "node:child_process";
import { start } from "./glue.mjs";
export const load = async () => {
  const child = fork("child.mjs", { execArgv: process.execArgv });
  await new Promise((resolve) => child.once("message", resolve));
  child.disconnect();
};
"""
    (tmp_path / "child.mjs").write_text('import { start } from "./glue.mjs";\nawait start();\nprocess.send("ready");')
    with pytest.raises(CaptureRefused, match="in another process"):
        captured(tmp_path, script.replace('"child.mjs"', 'new URL("child.mjs", import.meta.url).pathname'))


# -- answers, and how scripts fail -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["undefined", "null"])
def test_an_answer_that_says_nothing_proves_nothing(tmp_path: Path, value: str) -> None:
    result = captured(tmp_path, LOAD + f"export const prepare = (p) => p.add(1); export const answer = () => {value};")
    assert result.report.capture and result.report.capture.answered is None
    assert "returned nothing" in said(result, "glue-unproven")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("[1, p.add]", r"answer\(program\).1 is a function"),
        ("({ a: [Promise.resolve(1)] })", r"answer\(program\).a.0 is a promise"),
    ],
)
def test_an_answer_that_can_not_be_compared_is_refused(tmp_path: Path, value: str, named: str) -> None:
    with pytest.raises(ScriptFailed, match=named):
        captured(tmp_path, LOAD + f"export const prepare = () => 0; export const answer = (p) => {value};")


@pytest.mark.parametrize(
    "how", ["setTimeout(() => { throw new Error('in a timer'); }, 1)", "Promise.reject(new Error('in a timer'))"]
)
def test_what_is_thrown_outside_of_a_step_is_told(tmp_path: Path, how: str) -> None:
    with pytest.raises(ScriptFailed, match=r"in prepare\(\): Error: in a timer"):
        captured(
            tmp_path,
            LOAD + f"export const prepare = () => {{ {how}; return new Promise(() => setTimeout(() => 0, 5000)); }};",
        )


def test_a_pause_from_a_timer_while_a_step_waits_is_one_in_each_run(tmp_path: Path) -> None:
    script = (
        LOAD
        + """
export const prepare = (p) => { p.add(40); setTimeout(() => preinit.pause(), 5); return new Promise(() => 0); };
export const answer = (p) => p.add(2);
"""
    )
    assert in_glue(tmp_path, captured(tmp_path, script), "console.log((await start()).add(2))") == 42


# -- hints -------------------------------------------------------------------------------------------------------------


def once_of(hint: str | None) -> list[str]:
    """The names of exports in the options that a hint shows, as a user of the library reads them."""
    return re.findall(r'once=\["(\w+)"\]', hint or "")


def test_the_hint_of_a_wrong_answer_names_what_prepare_called_first_and_helps_when_it_is_followed(
    tmp_path: Path,
) -> None:
    """As PHP does: the glue starts the program with the first request."""
    glue = GLUE.replace(
        "return { things",
        "let booted = false;\n  const run = () => (booted ||= !!instance.exports.boot(), p.booted());\n  return { run, things",
    )
    glue = glue.replace("p.booted()", "instance.exports.get(20)")
    script = LOAD + "export const prepare = (p) => p.run(); export const answer = (p) => p.run();"
    with pytest.raises(AnswerDiffers) as caught:
        captured(tmp_path, script, glue=glue)
    assert once_of(caught.value.hint) == ["boot"]
    result = captured(tmp_path, script, glue=glue, once=once_of(caught.value.hint))
    assert codes(result) == ["glue-once"]


MINIFIED = PROGRAM.replace(
    '(func (export "now")',
    """(func (export "ca") (param i32) (result i32) (i32.const 2000)) (func (export "da") (param i32) (result i32) (i32.const 7))
  (func (export "now")""",
)


def test_no_hint_has_a_function_that_allocates_run_once(tmp_path: Path) -> None:
    """Its name is minified; JavaScript calls it malloc. Of another one with parameters, nobody knows."""
    glue = GLUE.replace(
        "return { things", "const { ca, da } = instance.exports;\n  ca(5);\n  da(5);\n  return { _malloc: ca, things"
    )
    result = captured(tmp_path, SCRIPT, MINIFIED, glue)
    (warning,) = result.report.warnings
    assert warning.code == "glue-start"
    assert "calls da when" in warning.message
    assert "once" not in warning.hint
