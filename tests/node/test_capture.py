"""A program that was prepared in its own glue, and the output in the same glue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import preinit
from preinit.binary.module import parse
from preinit.binary.rope import Rope
from preinit.errors import OutputInvalid, UsageError
from preinit.node import rewriting
from preinit.passes.rewrite.module import Rewritten
from tests.support.glue import GLUE, LOAD, PROGRAM, SCRIPT, captured, codes, in_glue, needs_node, project
from tests.support.modules import wasm

pytestmark = needs_node


def test_an_output_starts_in_its_own_glue_where_the_script_left_it(tmp_path: Path, usual: preinit.Result) -> None:
    facts = usual.report.capture
    assert facts is not None
    assert facts.answered
    assert facts.differences == ()
    later = "const p = await start(); console.log(JSON.stringify([p.add(2), p.constructed(), p.take(2)]));"
    assert in_glue(tmp_path, usual, later) == [42, 1, 2]


def test_constructors_run_once_however_often_the_glue_calls_them(tmp_path: Path, usual: preinit.Result) -> None:
    later = "const p = await start(); p.__wasm_call_ctors(); console.log(JSON.stringify([p.constructed(), p.things]));"
    assert in_glue(tmp_path, usual, later) == [1, ["7 hi"]]


def test_import_calls_that_javascript_keeps_are_made_again_with_what_they_pointed_to(
    tmp_path: Path, usual: preinit.Result
) -> None:
    """The text lay on the stack, and is gone at the pause."""
    assert usual.report.capture is not None
    (stand_in,) = usual.report.capture.stand_ins
    assert (stand_in.export, stand_in.replayed, stand_in.unknown) == ("__wasm_call_ctors", 1, {})
    assert in_glue(tmp_path, usual, "console.log(JSON.stringify((await start()).things))") == ["7 hi"]


def test_a_memory_that_grew_and_a_table_that_changed_are_as_they_were(tmp_path: Path) -> None:
    script = (
        LOAD
        + """
export const prepare = (p) => { p.grow(); p.put(131072, 77); p.table.set(3, p.table.get(1)); p.table.set(1, null); };
export const answer = (p) => [p.get(131072), p.take(3), p.table.get(1), p.memory.buffer.byteLength];
"""
    )
    result = captured(tmp_path, script)
    module = parse(result.wasm)
    assert module.memories[0].minimum == 4
    later = (
        "const p = await start(); console.log(JSON.stringify([p.get(131072), p.take(3), p.memory.buffer.byteLength]));"
    )
    assert in_glue(tmp_path, result, later) == [77, 1, 4 * 65536]


BITS = """(module
  (memory (export "memory") 1)
  (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0)) (global $v (mut v128) (v128.const i64x2 0 0))
  (global $r (mut funcref) (ref.null func)) (global $i (mut i64) (i64.const 0))
  (func $named (export "named"))
  (func (export "__wasm_call_ctors"))
  (func (export "set")
    (global.set $f (f32.reinterpret_i32 (i32.const 0x7fa00001)))
    (global.set $d (f64.reinterpret_i64 (i64.const 0x7ff4000000000001)))
    (global.set $v (v128.const i64x2 0x7ff0000000000001 -2))
    (global.set $i (i64.const -3))
    (global.set $r (ref.func $named))))"""


def test_globals_keep_every_bit(tmp_path: Path) -> None:
    """JavaScript would make a signalling NaN a quiet one, and sees no vectors."""
    result = captured(tmp_path, LOAD + "export const prepare = (p) => p.set();", BITS)
    found = [entry.initializer.raw.hex() for entry in parse(result.wasm).globals[:5] if entry.initializer]
    assert found == [
        "430100a07f0b",
        "44010000000000f47f0b",
        "fd0c010000000000f07ffeffffffffffffff0b",
        "d2000b",
        "427d0b",
    ]


SEGMENTS = """(module
  (memory (export "memory") 1) (table (export "table") 2 funcref)
  (data $gone "gone") (data $left "left") (elem $dropped func $a) (elem $kept func $a)
  (func $a) (func (export "__wasm_call_ctors"))
  (func (export "drop") (data.drop $gone) (elem.drop $dropped))
  (func (export "copy") (memory.init $left (i32.const 0) (i32.const 0) (i32.const 4)))
  (func (export "gone") (memory.init $gone (i32.const 0) (i32.const 0) (i32.const 1)))
  (func (export "fill") (table.init $kept (i32.const 0) (i32.const 0) (i32.const 1)))
  (func (export "empty") (table.init $dropped (i32.const 0) (i32.const 0) (i32.const 1))))"""


def test_segments_that_were_dropped_are_gone_and_others_are_there(tmp_path: Path) -> None:
    script = (
        LOAD
        + """
const traps = (call) => { try { call(); return false; } catch { return true; } };
export const prepare = (p) => p.drop();
export const answer = (p) => [traps(p.copy), traps(p.gone), traps(p.fill), traps(p.empty)].join();
"""
    )
    result = captured(tmp_path, script, SEGMENTS)
    assert result.report.snapshot.dropped_data_segments == (0,)
    later = script.partition("export const prepare")[0].removeprefix(LOAD)
    later += "const p = await start(); console.log(JSON.stringify([p.copy, p.gone, p.fill, p.empty].map(traps)));"
    assert in_glue(tmp_path, result, later) == [False, True, False, True]


IMPORTED = """(module
  (import "env" "memory" (memory 1 100))
  (import "env" "table" (table 2 funcref))
  (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
  (import "env" "base" (global $base i32))
  (elem (i32.const 1) $one)
  (func $one (export "one") (result i32) (i32.const 1))
  (func (export "__wasm_call_ctors") (i32.store (i32.const 16) (i32.const 5)))
  (func (export "grow") (drop (call $resize (i32.const 262144))) (i32.store (i32.const 200000) (global.get $base))
    (table.set 0 (i32.const 0) (ref.func $one)))
  (func (export "get") (param i32) (result i32) (i32.load (local.get 0))))"""
IMPORTING = """
import { readFileSync } from "node:fs";
export async function start() {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 });
  const table = new WebAssembly.Table({ initial: 2, element: "anyfunc" });
  const views = { resized: 0 };
  const update = () => { views.HEAP32 = new Int32Array(memory.buffer); };
  update();
  const emscripten_resize_heap = (size) => {
    memory.grow((size - memory.buffer.byteLength) / 65536);
    views.resized++;
    update();
    return 1;
  };
  const env = { memory, table, emscripten_resize_heap, base: 1024 };
  const bytes = readFileSync(new URL("app.wasm", import.meta.url));
  const module = new WebAssembly.Module(bytes);
  const instance = new WebAssembly.Instance(module, { env });
  instance.exports.__wasm_call_ctors();
  return { ...instance.exports, views, table };
}
"""


def test_an_imported_memory_is_filled_and_grown_by_the_glue_so_that_its_views_stay_good(tmp_path: Path) -> None:
    script = (
        LOAD
        + """
export const prepare = (p) => p.grow();
export const answer = (p) => [p.get(200000), p.views.HEAP32[200000 / 4], p.table.get(0)(), p.table.get(1)()];
"""
    )
    result = captured(tmp_path, script, IMPORTED, IMPORTING)
    later = (
        "const p = await start(); "
        "console.log(JSON.stringify([p.views.HEAP32.length, p.views.HEAP32[50000], p.table.get(0)(), p.views.resized]));"
    )
    assert in_glue(tmp_path, result, later) == [65536, 1024, 1, 1]


MANY = """(module (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 0))
  (func (export "boot") (result i32 i64 f32 f64)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.const -5) (i64.const 0x7000000000000001) (f32.const 0.25) (f64.const -0))
  (func (export "count") (result i32) (global.get $count))
  (func (export "__wasm_call_ctors")))"""


def test_an_export_that_runs_once_returns_all_that_it_returned(tmp_path: Path) -> None:
    glue = GLUE.replace("return { things", "const first = instance.exports.boot();\n  return { first, things")
    script = LOAD + "export const prepare = () => 0; export const answer = (p) => [p.first, p.count()];"
    result = captured(tmp_path, script, MANY, glue, once=["boot"])
    later = "const { first, boot, count } = await start(); const seen = [...first, ...boot()].map(String); "
    later += "console.log(JSON.stringify([...seen, Object.is(first[3], -0), count()]))"
    values = ["-5", "8070450532247928833", "0.25", "0"]
    assert in_glue(tmp_path, result, later) == [*values, *values, True, 2]


START = """(module
  (memory (export "memory") 1) (data (i32.const 0) "\\05")
  (func $start (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 0)))))
  (start $start)
  (func (export "__wasm_call_ctors"))
  (func (export "get") (param i32) (result i32) (i32.load (local.get 0))))"""


def test_a_start_function_and_data_segments_are_run_while_recording_and_not_again(tmp_path: Path) -> None:
    result = captured(tmp_path, LOAD + "export const answer = (p) => p.get(4); export const prepare = () => 0;", START)
    assert parse(result.wasm).start is None
    assert in_glue(tmp_path, result, "console.log(JSON.stringify((await start()).get(4)))") == 5


DECLARED = """(module
  (table (export "table") 1 funcref)
  (func $ctors (export "__wasm_call_ctors"))
  (func (export "fill") (table.set 0 (i32.const 0) (ref.func $ctors)))
  (func (export "filled") (result i32) (ref.is_null (table.get 0 (i32.const 0)))))"""


def test_what_only_an_export_declared_can_still_be_referred_to(tmp_path: Path) -> None:
    """Something else stands in the place of that export: Node tells that code takes a reference to what is left."""
    script = LOAD + "export const prepare = () => 0; export const answer = (p) => (p.fill(), p.filled());"
    result = captured(tmp_path, script, DECLARED)
    assert result.report.capture
    assert result.report.capture.answered


def test_an_output_that_node_does_not_take_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '(module (func (export "__wasm_call_ctors") (drop (i32.eqz (i64.const 1)))))'
    invalid = Rewritten(Rope([wasm(text)]), (), 0)
    monkeypatch.setattr(rewriting, "write_module", lambda *_: invalid)
    script = SCRIPT + "import fs from 'node:fs'; fs.appendFileSync(new URL('runs', import.meta.url), 'x');"
    with pytest.raises(OutputInvalid, match=r"does not validate in Node \d+.*function #0.*type"):
        captured(tmp_path, script)
    assert (tmp_path / "runs").read_text() == "x"


def test_two_captures_in_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    script = SCRIPT.replace("p.add(40)", "p.put(64, p.now() / 1000); p.put(68, Math.random() * 1e6); p.add(40)")
    one, other = captured(tmp_path / "one", script), captured(tmp_path / "some other place", script)
    assert one.wasm == other.wasm


#: Loaded by Node before all else: another day, a machine that runs longer, other random numbers.
ANOTHER_DAY = """
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
globalThis.anotherDay = true;
const Today = Date, now = Date.now, later = () => now() + 86400000 * 40;
globalThis.Date = class Date extends Today { constructor(...given) { given.length ? super(...given) : super(later()); } };
Date.now = later;
const elapsed = performance.now.bind(performance), ran = process.hrtime.bigint;
performance.now = () => elapsed() + 1e9;
process.hrtime.bigint = () => ran() + 10n ** 15n;
Math.random = () => 0.25;
crypto.randomBytes = (size) => Buffer.alloc(size, 7);
syncBuiltinESMExports();
"""


def test_two_captures_on_two_days_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is made in a Node that is told another date before anything of preinit is loaded."""
    script = """
import { randomBytes } from "node:crypto";
import { start } from "./glue.mjs";
const p = await start();
console.log(`another day: ${globalThis.anotherDay}`);
const seconds = [p.now() / 1000, new Date().getTime() / 1000, performance.now(), Number(process.hrtime.bigint() / 1000000000n)];
[...seconds, Math.random() * 1e6, randomBytes(4).readInt32LE()].forEach((value, i) => p.put(64 + 4 * i, value));
"""
    (tmp_path / "another.mjs").write_text(ANOTHER_DAY)
    outputs, said = [], bytearray()
    for folder in ("today", "later"):
        outputs.append(captured(tmp_path / folder, script, stderr=said.extend).wasm)
        monkeypatch.setenv("NODE_OPTIONS", f"--import {(tmp_path / 'another.mjs').as_uri()}")
    assert outputs[0] == outputs[1]
    assert said.decode().splitlines() == ["another day: undefined", "another day: true"]


def test_time_zone_and_language_of_the_machine_are_not_in_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = LOAD + (
        "export const prepare = (p) => p.put(64, new Date(0).getTimezoneOffset() * 1000"
        " + Intl.DateTimeFormat().resolvedOptions().locale.length);"
    )
    outputs = []
    for folder, zone, language in (("one", "Asia/Tokyo", "de_DE.UTF-8"), ("two", "America/New_York", "en_US.UTF-8")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", language)
        outputs.append(captured(tmp_path / folder, script).wasm)
    assert outputs[0] == outputs[1]


def test_a_module_given_as_bytes_is_the_one_of_the_file(tmp_path: Path, usual: preinit.Result) -> None:
    script = project(tmp_path)
    assert preinit.capture((tmp_path / "app.wasm").read_bytes(), str(script)).wasm == usual.wasm


@pytest.mark.parametrize(
    "how",
    [
        "WebAssembly.instantiate(bytes, imports).then((r) => r.instance)",
        "WebAssembly.compile(bytes).then((m) => WebAssembly.instantiate(m, imports))",
        "WebAssembly.instantiateStreaming(new Response(bytes, { headers: type }), imports).then((r) => r.instance)",
        "WebAssembly.compileStreaming(new Response(bytes, { headers: type })).then((m) => new WebAssembly.Instance(m, imports))",
        "new WebAssembly.Instance(new WebAssembly.Module(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), imports)",
    ],
)
def test_every_way_to_instantiate_is_known(tmp_path: Path, how: str) -> None:
    glue = GLUE.replace(
        "const { instance } = await WebAssembly.instantiate(bytes, { env });",
        f'const imports = {{ env }}, type = {{ "content-type": "application/wasm" }};\n  const instance = await {how};',
    )
    assert how in glue
    result = captured(tmp_path, glue=glue)
    assert result.report.capture is not None
    assert result.report.capture.answered


def test_other_modules_of_the_glue_are_left_alone_and_those_that_hold_something_are_told(tmp_path: Path) -> None:
    given = '(import "e" "m" (memory 1))'
    made = {
        "(module)": "new WebAssembly.Instance(new WebAssembly.Module(BYTES))",
        "(module (global i32 (i32.const 1)))": "await WebAssembly.instantiate(BYTES)",
        f'(module {given} (export "ours" (memory 0)))': "later = [BYTES, () => ({ e: { m: instance.exports.memory } })]",
        f'(module {given} (func (export "other")))': "new WebAssembly.Instance(await WebAssembly.compile(BYTES), GIVEN)",
        '(module (memory 1) (func (export "own")))': "await WebAssembly.instantiate(BYTES)",
        '(module (global (mut i32) (i32.const 1)) (func (export "counts")))': "new WebAssembly.Instance("
        "new WebAssembly.Module(BYTES))",
        '(module (table (export "unused") 1 funcref))': "new WebAssembly.Module(BYTES)",
    }
    lines = [
        line.replace("BYTES", f"Buffer.from('{wasm(text).hex()}', 'hex')").replace(
            "GIVEN", "{ e: { m: new WebAssembly.Memory({ initial: 1 }) } }"
        )
        for text, line in made.items()
    ]
    more = "\n  await WebAssembly.instantiate(later[0], later[1]());\n  return { things"
    glue = GLUE.replace("  const things", "\n".join(["  let later;", *lines, "  const things"]))
    result = captured(tmp_path, glue=glue.replace("\n  return { things", more))
    (warning,) = result.report.warnings
    assert warning.code == "glue-modules"
    assert re.findall(r"exports (\w+)", warning.message) == ["other", "own", "counts"]


OBJECTS = """(module
  (import "env" "make" (func $make (result externref))) (import "env" "look" (func $look (param externref)))
  (memory (export "memory") 1) (func (export "__wasm_call_ctors")) (func (export "use") (call $look (call $make))))"""


def test_objects_that_pass_through_imports_are_left_alone(tmp_path: Path) -> None:
    """One that is compared, or made a text, may run any code."""
    script = (
        """
const shy = new Proxy({}, { get() { throw new Error("touched"); }, has() { throw new Error("touched"); } });
"""
        + LOAD.replace("start()", "start({ make: () => shy, look(x) { if (x !== shy) throw x; } })")
        + "export const prepare = (p) => p.use();"
    )
    assert captured(tmp_path, script, OBJECTS).report.host.calls == {"env.make": 1, "env.look": 1}


def test_the_glue_sees_no_export_that_was_added(tmp_path: Path) -> None:
    script = SCRIPT.replace("p.add(40)", "p.put(64, Object.keys(p).length)").replace("[p.add(2),", "[p.get(64),")
    script = script.replace("p.things]", "WebAssembly.Module.exports(p.module).length]")
    glue = GLUE.replace("const { instance }", "const { module, instance }").replace("{ things,", "{ things, module,")
    result = captured(tmp_path, script, glue=glue)
    assert result.report.capture is not None
    later = "const p = await start(); console.log(JSON.stringify(p.get(64) - Object.keys(p).length));"
    assert in_glue(tmp_path, result, later) == 0


def test_the_report_says_what_was_done_and_can_be_read_again(usual: preinit.Result) -> None:
    report = usual.report
    assert report.capture is not None
    assert report.capture.script == "prepare.mjs"
    assert report.capture.before is not None
    assert report.capture.before.rest > 0
    assert report.options["capture"] == {"once": [], "replay": [], "drop": [], "forget_fd": []}
    assert report.host.calls == {"env._embind_register_thing": 1}
    assert preinit.Report.from_json(report.to_json()) == report
    assert codes(usual) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("init_funcs", ["run"]), ("imports", "define"), ("audit", True), ("env", {"A": "b"}), ("wasi", False)],
)
def test_options_that_say_how_a_build_runs_a_module_are_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"'{field}' has no meaning in a capture"):
        captured(tmp_path, **{field: value})


def test_budgets_and_strict_hold_for_captures(tmp_path: Path) -> None:
    with pytest.raises(preinit.errors.BudgetExceeded, match="max-size"):
        captured(tmp_path, max_size=100)
    script = SCRIPT.replace("p.add(40)", "p.put(64, p.now())")
    with pytest.raises(preinit.errors.WarningsRefused, match="clock-frozen"):
        captured(tmp_path, script, strict=True)
    assert codes(captured(tmp_path, script, strict=True, accept=["clock-frozen"])) == ["clock-frozen"]


def test_words_far_from_the_rest_are_data_since_javascript_engines_map_none(tmp_path: Path) -> None:
    large = PROGRAM.replace('(memory (export "memory") 1)', '(memory (export "memory") 300)')
    script = SCRIPT.replace("p.add(40);", "p.add(40); p.put(18874368, 77);")
    result = captured(tmp_path, script, large)
    assert parse(result.wasm).start is None
    later = "const p = await start(); console.log(JSON.stringify([p.get(18874368), p.add(2)]));"
    assert in_glue(tmp_path, result, later) == [77, 42]
