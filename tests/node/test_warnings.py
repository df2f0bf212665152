"""What an output does not hold is said, with what to do about it."""

from __future__ import annotations

from pathlib import Path

import preinit
from preinit.report.text import summary
from preinit.result import LoadedDifference
from tests.support.glue import GLUE, LOAD, PROGRAM, SCRIPT, captured, codes, in_glue, needs_node

pytestmark = needs_node


def said(result: preinit.Result, code: str) -> str:
    (warning,) = (warning for warning in result.report.warnings if warning.code == code)
    return f"{warning.message} | {warning.hint}"


BOOTING = GLUE.replace("return { things", "instance.exports.boot();\n  return { things")


def test_an_export_that_loading_calls_again_is_named_and_can_be_run_once(tmp_path: Path) -> None:
    script = SCRIPT.replace("p.constructed()", "p.booted()")
    quiet = script.replace("p.booted(), ", "")
    result = captured(tmp_path, quiet, glue=BOOTING)
    assert "calls boot when it loads" in said(result, "glue-start")
    assert 'once=["boot"]' in said(result, "glue-start")
    later = "const p = await start(); console.log(JSON.stringify([p.booted(), p.boot(), p.booted()]))"
    assert in_glue(tmp_path, result, later) == [2, 3, 3]
    result = captured(tmp_path, script, glue=BOOTING, once=["boot"])
    assert codes(result) == []
    assert in_glue(tmp_path, result, later) == [1, 2, 2]


UNKNOWN = PROGRAM.replace("_embind_register_thing", "js_note")
NOTING = GLUE.replace("_embind_register_thing", "js_note")


def test_import_calls_that_are_not_made_again_are_told_unless_it_is_said_what_they_are(tmp_path: Path) -> None:
    quiet = SCRIPT.replace(", p.things]", "]")
    result = captured(tmp_path, quiet, UNKNOWN, NOTING)
    assert "`js_note` (1 call)" in said(result, "glue-import-dropped")
    later = "console.log(JSON.stringify((await start()).things))"
    assert in_glue(tmp_path, result, later) == []
    assert codes(captured(tmp_path, quiet, UNKNOWN, NOTING, drop=["js_note"])) == []
    result = captured(tmp_path, SCRIPT, UNKNOWN, NOTING, replay=["js_note"])
    assert codes(result) == []
    assert in_glue(tmp_path, result, later) == ["7 hi"]


def test_a_call_of_embind_can_be_dropped(tmp_path: Path) -> None:
    result = captured(tmp_path, SCRIPT.replace(", p.things]", "]"), drop=["_embind_register_thing"])
    assert codes(result) == []
    assert in_glue(tmp_path, result, "console.log(JSON.stringify((await start()).things))") == []


ADDING = """
const add = (p, value) => {
  const bytes = Uint8Array.of(0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,value,11);
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  p.table.set(p.table.grow(1), f);
};
"""


def test_functions_of_javascript_at_a_tables_end_are_cut_off_and_get_the_same_slots_again(tmp_path: Path) -> None:
    """As addFunction does: the program may have kept the slot's number."""
    script = (
        LOAD
        + ADDING
        + """
export const prepare = (p) => { add(p, 7); add(p, 9); p.put(64, 5); };
export const resume = (p) => { add(p, 7); add(p, 9); };
export const answer = (p) => [p.take(p.get(64)), p.take(4), p.table.length];
"""
    )
    result = captured(tmp_path, script)
    assert "2 functions of JavaScript at the end of table 0" in said(result, "glue-slots")
    assert in_glue(tmp_path, result, "console.log((await start()).table.length)") == 4


#: Of embind, Pyodide, wasm-bindgen and Go.
HANDLES = (
    "_emval_get_global", "hiwire_get_length", "__wbindgen_string_new", "__wbg_now_8ed1a4454e40ecd1",
    "syscall/js.valueGet",
)  # fmt: skip


def test_handles_that_were_made_after_loading_are_told(tmp_path: Path) -> None:
    imports = "".join(f'(import "env" "{name}" (func $h{i}))' for i, name in enumerate(HANDLES))
    calls = "".join(f"(call $h{i})" for i in range(len(HANDLES)))
    text = f'(module {imports} (memory 1) (func (export "__wasm_call_ctors")) (func (export "use") {calls}))'
    script = LOAD.replace("start()", f"start({{ {', '.join(f'{name!r}: () => 1' for name in HANDLES)} }})")
    quiet = script + "export const prepare = () => 0; export const answer = () => 1;"
    assert codes(captured(tmp_path, quiet, text)) == []
    told = said(captured(tmp_path, quiet.replace("= () => 0", "= (p) => p.use()"), text), "glue-handles")
    assert [name for name in HANDLES if name in told] == list(HANDLES)


def test_what_is_alive_in_javascript_is_told(tmp_path: Path) -> None:
    result = captured(tmp_path, SCRIPT.replace("p.add(40);", "p.add(40); setInterval(() => 0, 60000);"))
    assert "Timeout" in said(result, "glue-alive")


def test_a_script_without_an_answer_proves_less(tmp_path: Path) -> None:
    result = captured(tmp_path, LOAD + "export const prepare = (p) => p.add(40);")
    assert "no answer(program)" in said(result, "glue-unproven")
    facts = result.report.capture
    assert facts is not None
    assert facts.answered is None
    assert facts.differences is not None
    assert facts.before is not None


def test_what_loading_writes_over_is_told_from_what_it_writes_where_nothing_was(tmp_path: Path) -> None:
    glue = GLUE.replace(
        "return { things", "for (const at of [200, 300, 304]) instance.exports.put(at, -1);\n  return { things"
    )
    script = LOAD + "export const prepare = (p) => { p.put(200, 7); p.put(300, 0); p.put(304, 0xff00); };"
    result = captured(tmp_path, script + "export const answer = (p) => p.add(2);", glue=glue)
    facts = result.report.capture
    assert facts is not None
    assert facts.differences == (
        LoadedDifference("memory", 0, 200, 204, 4, held=1),
        LoadedDifference("memory", 0, 300, 308, 7, held=0),
    )
    assert "11 bytes of memory (10 of them were zero) differ" in "\n".join(summary(result.report))


def test_an_export_that_ended_by_throwing_is_told(tmp_path: Path) -> None:
    """As main does, of programs that stay alive after it."""
    text = PROGRAM.replace('(func (export "boot")', '(func (export "main") (drop (call $now))) (func (export "boot")')
    glue = GLUE.replace("return { things", "try { instance.exports.main(); } catch {}\n  return { things")
    script = SCRIPT.replace("start();", "start({ emscripten_date_now() { throw 'unwind'; } });")
    result = captured(tmp_path, script, text, glue)
    assert "main ended by throwing" in said(result, "glue-threw")


def test_clocks_and_random_numbers_that_the_program_read_are_told_and_those_of_its_glue_not(tmp_path: Path) -> None:
    assert codes(captured(tmp_path, SCRIPT.replace("p.add(40)", "Date.now(), p.add(40)"))) == []
    assert codes(captured(tmp_path, SCRIPT.replace("p.add(40)", "p.now(), p.add(40)"))) == ["clock-frozen"]
    random = SCRIPT.replace(
        "start();", "start({ emscripten_date_now: () => crypto.getRandomValues(new Uint8Array(8))[0] });"
    )
    assert codes(captured(tmp_path, random.replace("p.add(40)", "p.now(), p.add(40)"))) == ["entropy-frozen"]


def test_a_stack_pointer_that_did_not_come_back_is_told(tmp_path: Path) -> None:
    text = PROGRAM.replace(
        '(func (export "now")',
        '(func (export "sink") (global.set $__stack_pointer (i32.const 4000))) (func (export "now")',
    )
    assert "stack-pointer" in codes(captured(tmp_path, SCRIPT.replace("p.add(40);", "p.add(40); p.sink();"), text))


def test_a_descriptor_that_is_no_file_is_told_unless_it_is_forgotten(tmp_path: Path) -> None:
    text = PROGRAM.replace('"emscripten_date_now" (func $now (result f64))', '"__syscall_dup" (func $dup (result i32))')
    text = text.replace('"now") (result f64) (call $now)', '"dup") (result i32) (call $dup)')
    script = SCRIPT.replace("start();", "start({ __syscall_dup: () => 5 });").replace(
        "p.add(40);", "p.add(40); p.dup();"
    )
    result = captured(tmp_path, script, text)
    assert "descriptor 5 (__syscall_dup) is open at the pause, and not in the output" in said(
        result, "glue-descriptors"
    )
    assert codes(captured(tmp_path, script, text, forget_fd=[5])) == []
    # One in the place of a stream, as freopen leaves it, too.
    assert codes(captured(tmp_path, script.replace("=> 5", "=> 1"), text)) == ["glue-descriptors"]


def test_import_calls_that_are_too_many_to_keep_are_told(tmp_path: Path) -> None:
    loop = "(loop $again (drop (call $now)) (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    text = PROGRAM.replace(
        '(func (export "__wasm_call_ctors")',
        f'(func (export "__wasm_call_ctors") (local $i i32) (local.set $i (i32.const 200010)) {loop}',
    )
    script = SCRIPT.replace("start();", "start({ emscripten_date_now: () => 0 });").replace(", p.things]", "]")
    result = captured(tmp_path, script, text)
    assert "11 calls" in said(result, "glue-lost")
