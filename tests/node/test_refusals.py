"""What can't be captured is refused, with its cause and a way out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import preinit
from preinit.errors import (
    AnswerDiffers,
    CaptureRefused,
    ImportedState,
    MemoryLimit,
    Misfit,
    NotWasm,
    OutputFlood,
    RandomDenied,
    ScriptFailed,
    SystemLimit,
    TimeLimit,
    ToolMissing,
    UnknownExport,
    Unreadable,
    Unsupported,
    UnsupportedState,
)
from tests.support.glue import GLUE, LOAD, NODE, PROGRAM, SCRIPT, captured, needs_node, project

pytestmark = needs_node

CALLS_BACK = PROGRAM.replace(
    '(func (export "now")', '(func (export "call_back") (drop (call $now))) (func (export "now")'
)


def test_a_pause_inside_of_a_call_is_refused(tmp_path: Path) -> None:
    script = LOAD.replace("start()", "start({ emscripten_date_now() { preinit.pause(); return 0; } })")
    with pytest.raises(CaptureRefused, match="inside of a call of an export") as caught:
        captured(tmp_path, script + "export const prepare = (p) => p.call_back();", CALLS_BACK)
    assert caught.value.hint is not None
    assert "after that call has returned" in caught.value.hint


def test_a_call_back_that_has_returned_does_not_stand_in_the_way(tmp_path: Path) -> None:
    """And what is thrown through the program's frames ends its calls, too."""
    script = (
        LOAD.replace("start()", "start({ emscripten_date_now() { p?.add(1); throw new Error('away'); } })")
        + """
let p;
export const prepare = (program) => { p = program; try { p.call_back(); } catch {} };
export const answer = (p) => p.add(0) >= 0;
"""
    )
    assert captured(tmp_path, script, CALLS_BACK).report.capture is not None


ASYNCIFY = PROGRAM.replace(
    '(func (export "now")',
    '(func (export "asyncify_stop_unwind")) (func (export "asyncify_stop_rewind")) (func (export "now")',
)


def test_a_program_that_is_suspended_by_asyncify_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureRefused, match="suspended"):
        captured(tmp_path, LOAD + "export const prepare = (p) => p.asyncify_stop_unwind();", ASYNCIFY)
    done = "export const prepare = (p) => { p.asyncify_stop_unwind(); p.asyncify_stop_rewind(); };"
    assert captured(tmp_path, LOAD + done, ASYNCIFY).wasm


def test_a_suspended_program_whose_names_are_minified_is_known_by_who_calls(tmp_path: Path) -> None:
    script = (
        LOAD + "const _asyncify_stop_unwind = (p) => p.Qa();\nexport const prepare = (p) => _asyncify_stop_unwind(p);"
    )
    with pytest.raises(CaptureRefused, match="suspended"):
        captured(tmp_path, script, ASYNCIFY.replace("asyncify_stop_unwind", "Qa").replace("asyncify_stop_rewind", "Ra"))


def test_a_program_that_is_suspended_by_the_engine_is_refused(tmp_path: Path) -> None:
    """JavaScript Promise Integration: the promise of an export has not settled."""
    assert NODE is not None
    has = subprocess.run([NODE, "-p", "typeof WebAssembly.promising"], capture_output=True, text=True, check=True)
    if has.stdout.strip() != "function":
        pytest.skip("this Node has no WebAssembly.promising")
    glue = GLUE.replace(
        "...more,", "...more, emscripten_date_now: new WebAssembly.Suspending(() => new Promise(() => 0)),"
    )
    script = LOAD + "export const prepare = (p) => { WebAssembly.promising(p.now)(); };"
    with pytest.raises(CaptureRefused, match="suspended"):
        captured(tmp_path, script, glue=glue)


@pytest.mark.parametrize("name", ["exit", "proc_exit", "_proc_exit"])
def test_a_program_that_has_ended_is_refused(tmp_path: Path, name: str) -> None:
    text = PROGRAM.replace("emscripten_date_now", name)
    script = LOAD.replace("start()", f"start({{ {name}: () => 0 }})") + "export const prepare = (p) => p.now();"
    with pytest.raises(CaptureRefused, match="the program has ended") as caught:
        captured(tmp_path, script, text)
    assert "EXIT_RUNTIME" in (caught.value.hint or "")


def test_a_program_whose_exit_handlers_were_run_is_refused(tmp_path: Path) -> None:
    script = LOAD + "function exitRuntime(p) { p.boot(); }\nexport const prepare = (p) => exitRuntime(p);"
    with pytest.raises(CaptureRefused, match="what it does at its exit was run"):
        captured(tmp_path, script)


def test_several_instances_are_refused(tmp_path: Path) -> None:
    script = LOAD + "export const prepare = async () => { await start(); };"
    with pytest.raises(
        CaptureRefused, match=r"made 2 instances of the module \(by start, glue.mjs:12; start, glue.mjs:12\)"
    ):
        captured(tmp_path, script)


@pytest.mark.parametrize(
    "how",
    [
        "new WebAssembly.Instance(await WebAssembly.compile(bytes), imports)",
        "(await WebAssembly.instantiateStreaming(new Response(bytes, { headers: type }), imports)).instance",
    ],
)
def test_what_made_each_of_several_instances_is_told(tmp_path: Path, how: str) -> None:
    script = (
        f"""
import {{ readFileSync }} from "node:fs";
const bytes = readFileSync(new URL("app.wasm", import.meta.url)), type = {{ "content-type": "application/wasm" }};
const imports = {{ env: {{ _embind_register_thing() {{}}, emscripten_date_now: () => 0 }} }};
async function another() {{ return {how}; }}
"""
        + LOAD
        + "export const prepare = async () => { for (let i = 0; i < 7; i++) await another(); };"
    )
    with pytest.raises(
        CaptureRefused, match=r"8 instances .*by start, glue.mjs:12; another, prepare.mjs:5; .* and 2 more"
    ):
        captured(tmp_path, script)


def test_a_module_that_the_glue_never_instantiates_is_refused(tmp_path: Path) -> None:
    glue = GLUE.replace("const bytes =", "const bytes = Buffer.concat([").replace(
        "import.meta.url));", "import.meta.url)), Buffer.from([0, 1, 0])]);"
    )  # the same, with an empty custom section
    with pytest.raises(CaptureRefused, match="made no instance of the module") as caught:
        captured(tmp_path, glue=glue)
    assert "SINGLE_FILE" in (caught.value.hint or "")
    size = (tmp_path / "app.wasm").stat().st_size
    assert f"got its {size} bytes; what was compiled has {size + 3} bytes" in caught.value.what


def test_a_script_that_loads_nothing_at_all_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureRefused, match="its main thread compiled no WebAssembly") as caught:
        captured(tmp_path, "export default () => 0;")
    assert "load()" in (caught.value.hint or "")


EXTERNREF = """(module (memory (export "memory") 1) (table (export "table") 2 externref)
  (func (export "__wasm_call_ctors")))"""


def test_a_table_of_javascript_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureRefused, match="table 0 of externref holds objects of JavaScript"):
        captured(tmp_path, LOAD + "export const prepare = (p) => p.table.set(1, { an: 'object' });", EXTERNREF)
    assert captured(tmp_path, LOAD + "export const prepare = (p) => p.table.set(1, null);", EXTERNREF).wasm


def test_a_global_that_holds_an_object_or_a_foreign_function_is_refused(tmp_path: Path) -> None:
    text = '(module (global $g (export "g") (mut {}) (ref.null {})) (func (export "__wasm_call_ctors")))'
    script = LOAD + "export const prepare = (p) => { p.g.value = VALUE; };"
    with pytest.raises(UnsupportedState, match="holds an object of JavaScript"):
        captured(tmp_path, script.replace("VALUE", "new Map()"), text.format("externref", "extern"))
    foreign = "new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 4, 1, 2, 0, 11))).exports.f"
    with pytest.raises(UnsupportedState, match="a function of another module"):
        captured(tmp_path, script.replace("VALUE", foreign), text.format("funcref", "func"))
    table = f"export const prepare = (p) => p.table.set(0, {foreign});"
    with pytest.raises(CaptureRefused, match=r"1 function of other modules .* \(at 0\)") as caught:
        captured(tmp_path, LOAD + table)
    assert "dlopen" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "place", ['(memory (export "memory") 1 2 shared)', '(import "a" "memory" (memory 1 2 shared))']
)
def test_a_shared_memory_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ImportedState, match="shared memory") as caught:
        captured(tmp_path, text=f'(module {place} (func (export "f")))')
    assert "without pthreads" in (caught.value.hint or "")


# -- scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("export const prepare = () => { throw new Error('no such word'); };", r"in prepare\(\): Error: no such word"),
        ("export const prepare = () => { throw 'a text'; };", r"in prepare\(\): 'a text'"),
        ("export const prepare = async () => { await new Promise(() => {}); };",
         r"prepare\(\), which had not come to its end: it waits for something that never comes"),
        ("export const prepare = () => process.exit(3);",
         r"prepare\(\), which had not come to its end: process\.exit\(\) was called, with code 3"),
        ("export const prepare = 7;", "prepare is no function"),
        ("throw new TypeError('at once');", "while it was imported: TypeError: at once"),
        ("import './nowhere.mjs';", "while it was imported: .*nowhere.mjs"),
        ("const a = ;", r"while it was imported: .*prepare.mjs:3\n"),
        ("export const prepare = () => process.kill(process.pid, 'SIGKILL');", "ended Node with code -9 .SIGKILL."),
        ("export const prepare = () => { process._rawDebug('FATAL ERROR: x JavaScript heap out of memory'); process.abort(); };",
         "Node has no memory left"),
    ],
)  # fmt: skip
def test_a_script_that_fails_is_told_with_what_it_said(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ScriptFailed, match=said):
        captured(tmp_path, LOAD + more)


@pytest.mark.parametrize(
    ("script", "name", "meant"),
    [
        (LOAD + "export const prepear = () => 0;", "prepear", "prepare"),
        (SCRIPT.replace("const load", "const laod"), "laod", "load"),
        (LOAD.replace("const load", "const lod"), "lod", "load"),
    ],
)
def test_a_misspelt_export_that_a_capture_needs_is_named(tmp_path: Path, script: str, name: str, meant: str) -> None:
    with pytest.raises(
        ScriptFailed, match=f"^the script exports {name}, which nothing calls, and no {meant}:"
    ) as caught:
        captured(tmp_path, script)
    assert caught.value.hint == f"Name it {meant}, or export {meant}, too."


def test_names_that_are_no_steps_are_the_scripts_own_business(tmp_path: Path, usual: preinit.Result) -> None:
    """Also nearly those of steps that a script may leave out."""
    near = "export const resumes = () => 0; export const roads = () => 0;"
    other = "export const reload = () => 0; export const helper = () => 0; export const prepared = 1;"
    found = captured(tmp_path, SCRIPT + near + other)
    assert found.wasm == usual.wasm
    assert found.report.capture
    assert found.report.capture.answered


def test_where_nothing_is_proven_or_the_answer_differs_a_name_that_may_be_misspelt_is_told(tmp_path: Path) -> None:
    found = captured(tmp_path, LOAD + "export const prepare = (p) => p.add(40); export const Answer = () => 0;")
    (said,) = [warning.message for warning in found.report.warnings if warning.code == "glue-unproven"]
    assert "it exports Answer, which nothing calls, and no answer" in said
    state = "let now = 0; export const prepare = () => { now = 1; }; export const answer = () => now;"
    with pytest.raises(AnswerDiffers, match="the script exports resum, which nothing calls, and no resume\n"):
        captured(tmp_path, LOAD + state + "export const resum = () => { now = 1; };")


def test_what_a_script_failed_with_shows_no_line_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed) as caught:
        captured(tmp_path, LOAD + "export const prepare = () => { throw new Error('here'); };")
    assert "prepare.mjs:3" in caught.value.what
    assert "drive.mjs" not in caught.value.what


def test_arguments_in_the_wrong_order_are_told(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(NotWasm) as caught:
        preinit.capture(tmp_path / "prepare.mjs", tmp_path / "app.wasm")
    assert caught.value.hint == "The module comes first, and then the script."


@pytest.mark.parametrize("state", ["{}", "[]", "not JSON", '{"instances": "many"}'])
def test_a_script_that_writes_over_what_node_told_is_refused(tmp_path: Path, state: str) -> None:
    script = f"""
import fs from "node:fs"; import path from "node:path";
fs.writeFileSync(path.join(path.dirname(process.env.PREINIT_JOB), "state.json"), {state!r});
process.kill(process.pid, "SIGKILL");
"""
    with pytest.raises((Unsupported, ScriptFailed), match=r"can't be read|ended Node with code -9"):
        captured(tmp_path, script)


def test_a_state_of_another_program_is_refused(tmp_path: Path) -> None:
    """Of the script's own making: one memory too many."""
    script = SCRIPT.replace(
        "p.add(40);", "fs.writeFileSync(path.join(path.dirname(process.env.PREINIT_JOB), 'memory7'), 'x');"
    )
    with pytest.raises(Unsupported, match="not the state of this module"):
        captured(tmp_path, 'import fs from "node:fs"; import path from "node:path";\n' + script)


@pytest.mark.skipif(os.name != "posix", reason="needs ulimit")
def test_a_state_that_there_is_no_room_for_is_a_limit_of_the_system(tmp_path: Path) -> None:
    """It is 64 KiB and more, and no file may have 20 KiB."""
    node = tmp_path / "node"
    node.write_text('#!/bin/sh\n[ "$1" = --version ] || { trap "" XFSZ; ulimit -f 40; }\nexec node "$@"\n')
    node.chmod(0o755)
    with pytest.raises(SystemLimit, match="could not write a file: a file may not be that large"):
        captured(tmp_path / "p", node=node)


def test_a_failure_while_the_state_is_written_is_told(tmp_path: Path) -> None:
    script = (
        LOAD + "export const prepare = () => { process.getActiveResourcesInfo = () => { throw new Error('mine'); }; };"
    )
    with pytest.raises(ScriptFailed, match="in the pause: Error: mine"):
        captured(tmp_path, script)


def test_a_table_or_memory_that_starts_too_large_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit, match="the tables start with 2,000,000 elements"):
        captured(tmp_path, text="(module (table 2000000 funcref))")
    with pytest.raises(MemoryLimit, match="the memories start with"):
        captured(tmp_path, text="(module (memory 3))", max_memory="128KiB")


def test_a_script_that_is_no_file_is_told(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(Unreadable, match="no such file"):
        preinit.capture(tmp_path / "app.wasm", tmp_path / "nowhere.mjs")


def test_a_time_limit_ends_node_and_all_that_it_started(tmp_path: Path) -> None:
    script = (
        'import { spawn } from "node:child_process"; import { writeFileSync } from "node:fs";\n'
        + LOAD
        + f"""
export const prepare = () => {{
  writeFileSync({str(tmp_path / "pid")!r}, String(spawn("sleep", ["600"]).pid));
  for (;;);
}};
"""
    )
    with pytest.raises(TimeLimit, match="time limit of 3 seconds"):
        captured(tmp_path, script, timeout=3)
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_script_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(OutputFlood, match="more than 10,000 bytes"):
        captured(
            tmp_path,
            LOAD + "export const prepare = async () => { for (;;) { console.log('x'.repeat(999)); await 0; } };",
            max_guest_output=10_000,
            quiet_guest=True,
        )


def test_memory_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimit, match="the memories have 256 KiB at the pause, the limit is 128 KiB"):
        captured(tmp_path, LOAD + "export const prepare = (p) => p.grow();", max_memory="128KiB")


def test_random_numbers_can_be_denied(tmp_path: Path) -> None:
    script = LOAD.replace("start()", "start({ emscripten_date_now: () => Math.random() })")
    with pytest.raises(RandomDenied):
        captured(tmp_path, script + "export const prepare = (p) => p.now();", random="deny")
    glue_only = "export const prepare = (p) => { Math.random(); };"
    assert captured(tmp_path, script + glue_only, random="deny").wasm


@pytest.mark.parametrize("path", ["/nowhere/node", "no-such-node"])
def test_a_node_that_is_not_there_is_told(tmp_path: Path, path: str) -> None:
    with pytest.raises(ToolMissing, match=f"the program '{path}' was not found") as caught:
        captured(tmp_path, node=path)
    assert "Install Node 20 or newer" in (caught.value.hint or "")


@pytest.mark.skipif(os.name == "nt", reason="shell scripts")
@pytest.mark.parametrize(
    ("does", "said"), [("exit 0", "it ended with code 0"), ("echo bad option >&2; exit 9", "bad option")]
)
def test_what_is_no_node_is_told_with_what_it_said(tmp_path: Path, does: str, said: str) -> None:
    other = tmp_path / "other"
    other.write_text(f"#!/bin/sh\n{does}\n")
    other.chmod(0o755)
    with pytest.raises(ToolMissing, match=f"does not say which Node it is: {said}"):
        captured(tmp_path / "p", node=other)


def test_a_node_that_is_too_old_is_told(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho v18.20.1\n")
    old.chmod(0o755)
    with pytest.raises(ToolMissing, match=r"too old: .* is 18.20.1"):
        captured(tmp_path, node=old)


@pytest.mark.skipif(os.name == "nt", reason="no links")
def test_a_node_of_another_path_can_be_named(tmp_path: Path, usual: preinit.Result) -> None:
    import shutil

    node = shutil.which("node")
    assert node is not None
    (tmp_path / "my-node").symlink_to(node)
    assert captured(tmp_path / "p", node=tmp_path / "my-node").wasm == usual.wasm


# -- names that fit nothing --------------------------------------------------------------------------------------------


def test_names_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownExport, match="no function 'bot'"):
        captured(tmp_path, once=["bot"])
    with pytest.raises(Misfit, match="'grow' was never called before the pause"):
        captured(tmp_path, once=["grow"])
    with pytest.raises(Misfit, match="imports no function 'fetch', which `replay` names"):
        captured(tmp_path, replay=["fetch"])
    with pytest.raises(Misfit, match="imports no function 'fetch', which `drop` names"):
        captured(tmp_path, drop=["fetch"])
    with pytest.raises(Misfit, match="the descriptor 4, which `forget_fd` names, is not open"):
        captured(tmp_path, forget_fd=[4])


def test_a_hint_names_imports_that_are_functions(tmp_path: Path) -> None:
    text = PROGRAM.replace("(memory (export", '(import "env" "held" (global i32)) (memory (export', 1)
    with pytest.raises(Misfit, match="imports no function 'held'") as caught:
        captured(
            tmp_path, SCRIPT, text, GLUE.replace("emscripten_date_now:", "held: 1, emscripten_date_now:"), drop=["held"]
        )
    assert "held" not in (caught.value.hint or "")


# -- the proof ---------------------------------------------------------------------------------------------------------


def test_an_output_that_answers_otherwise_is_not_given_back(tmp_path: Path) -> None:
    """JavaScript knew something that it does not know in the output."""
    script = SCRIPT.replace("p.add(40);", "p.add(40); p.things.push('a note');")
    with pytest.raises(AnswerDiffers, match="another answer than the input") as caught:
        captured(tmp_path, script)
    assert "'7 hi', 'a note'" in str(caught.value)
    assert "resume(program)" in str(caught.value)
    repeated = script + "export const resume = (p) => { p.things.push('a note'); };"
    assert captured(tmp_path, repeated).report.capture is not None


def test_an_answer_that_is_nothing_is_shown_as_such(tmp_path: Path) -> None:
    script = LOAD + "export const prepare = (p) => { p.kept = 1; }; export const answer = (p) => p.kept;"
    with pytest.raises(AnswerDiffers, match=r"the output answers: nothing \(undefined, or null\)"):
        captured(tmp_path, script)


def test_an_output_that_fails_in_its_glue_is_not_given_back(tmp_path: Path) -> None:
    script = SCRIPT + "export const resume = (p) => { if (p.add(0) === 40) throw new Error('was here'); };"
    with pytest.raises(AnswerDiffers, match=r"fails in its own glue: .*resume\(\): Error: was here"):
        captured(tmp_path, script)
    loads = SCRIPT.replace(
        "start();", "start().then((p) => { if (p.add(0) === 40) throw new Error('here'); return p; });"
    )
    with pytest.raises(AnswerDiffers, match=r"can't be loaded by its own glue: .*load\(\): Error: here"):
        captured(tmp_path, loads)


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.several_rounds)])
def test_answers_that_differ_from_run_to_run_can_not_be_compared(tmp_path: Path, rounds: int) -> None:
    """Where each is started once only, the input is started again before the output is blamed."""
    script = SCRIPT.replace("(p) => [p.add(2),", "(p) => [process.pid,")
    with pytest.raises(Unsupported, match="the input gives another answer in each run"):
        captured(tmp_path, script)
