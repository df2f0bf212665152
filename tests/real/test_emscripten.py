"""Programs in C and C++ that Emscripten built, in their unmodified glue: scripts/build_glue makes the fixtures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit.errors import AnswerDiffers, CaptureRefused
from tests.support.glue import NODE, codes, needs_node
from tests.support.places import ROOT

pytestmark = [needs_node, pytest.mark.real]

BUILT = ROOT / "fixtures/glue"
#: The glue of Emscripten 3.1.6 takes `fetch` for a browser's.
HEAD = 'delete globalThis.fetch;\nconst glue = require("./app.js");\n'
WORDS = (
    HEAD
    + """
const keys = Array.from({ length: 18 }, (_, i) => `key${i * 111}`);
exports.load = () => glue({ print() {} });
exports.prepare = (m) => { m.FS.writeFile("/data.txt", "a line of a file"); m._prepare(20); };
exports.answer = (m) => [...keys, "none", "key1999"].map((key) => m.ccall("answer", "string", ["string"], [key]));
"""
)


def project(folder: Path, name: str, script: str) -> Path:
    """The glue and the module that it loads, under its own name, and a script; the module's path."""
    shutil.copy(BUILT / f"{name}.js", folder / "app.js")
    shutil.copy(BUILT / f"{name}.wasm", folder / f"{name}.wasm")
    (folder / "prepare.cjs").write_text(script)
    return folder / f"{name}.wasm"


def capture(folder: Path, name: str, script: str, **options: Any) -> preinit.Result:
    return preinit.capture(project(folder, name, script), folder / "prepare.cjs", **options)


def answers(folder: Path, resume: str = "() => 0") -> Any:
    """What the script's `answer` gives in plain Node, where it does not prepare the program."""
    later = f'const p = require("./prepare.cjs");\np.load().then(async (m) => {{ ({resume})(m); console.log(JSON.stringify(await p.answer(m))); }});'
    (folder / "later.cjs").write_text(later)
    assert NODE is not None
    done = subprocess.run([NODE, "later.cjs"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def expected_words() -> list[str]:
    total = 0
    for block in range(20 << 8):
        value = ord("a") + block % 26
        for _ in range(8):
            value = value * 31 + 7 & 0xFF
        total = total * 33 + value & 0xFFFFFFFF
    rest = f"a line of a filethrown {total} 35 3"
    return [f"{(i * 111) ** 2} {rest}" for i in range(18)] + [f"none {rest}", f"{1999**2} {rest}"]


@pytest.mark.parametrize("name", ["words-O1", "words-O3", "words-imported", "words-assertions", "words-main-module"])
def test_a_program_starts_prepared_in_its_own_glue(tmp_path: Path, name: str) -> None:
    """Constructors, growth, exceptions and jumps, with names minified or not, the memory its own or the glue's."""
    result = capture(tmp_path, name, WORDS)
    facts = result.report.capture
    assert facts is not None
    assert facts.answered
    assert result.report.snapshot.memories[0].pages > 256
    # Its main looks at how many arguments there are; prepare() writes a file.
    assert {"glue-written"} <= set(codes(result)) <= {"arguments-frozen", "glue-slots", "glue-written"}
    (tmp_path / f"{name}.wasm").write_bytes(result.wasm)
    assert answers(tmp_path) == expected_words()


def test_a_program_may_be_a_plain_script_that_is_no_module(tmp_path: Path) -> None:
    script = """
delete globalThis.fetch;
const vm = require("node:vm"), fs = require("node:fs");
exports.load = () => new Promise((resolve) => {
  globalThis.require = require;
  globalThis.__dirname = __dirname;
  globalThis.Module = { print() {}, onRuntimeInitialized() { resolve(globalThis.Module); } };
  vm.runInThisContext(fs.readFileSync(__dirname + "/app.js", "utf8"), { filename: "app.js" });
});
exports.prepare = (m) => { m.FS.writeFile("/data.txt", "a line of a file"); m._prepare(20); };
exports.answer = (m) => ["key18"].map((key) => m.ccall("answer", "string", ["string"], [key]));
"""
    result = capture(tmp_path, "words-script", script)
    (tmp_path / "words-script.wasm").write_bytes(result.wasm)
    assert answers(tmp_path) == [expected_words()[0].replace("0 ", "324 ", 1)]


def test_two_captures_of_such_a_program_are_identical(tmp_path: Path) -> None:
    for name in ("one", "two and more"):
        (tmp_path / name).mkdir()
    one = capture(tmp_path / "one", "words-O3", WORDS)
    assert capture(tmp_path / "two and more", "words-O3", WORDS).wasm == one.wasm


LINES = (
    HEAD
    + """
const write = (m) => m.FS.writeFile("/lines.txt", "one\\ntwo\\nthree\\n");
exports.load = () => glue({ print() {}, preRun: [write] });
exports.prepare = (m) => { m._open_lines(); };
exports.answer = (m) => [m.ccall("next_line", "string", [], []), m.FS.open("/lines.txt", "r").fd];
"""
)


def test_a_file_that_is_open_is_opened_again_where_it_stood(tmp_path: Path) -> None:
    result = capture(tmp_path, "words-O3", LINES)
    assert codes(result) == ["arguments-frozen", "glue-files"]
    (_, warning) = result.report.warnings
    assert "/lines.txt (3)" in warning.message
    (tmp_path / "words-O3.wasm").write_bytes(result.wasm)
    assert answers(tmp_path) == ["two\n", 4]


def test_a_descriptor_can_be_forgotten(tmp_path: Path) -> None:
    with pytest.raises(AnswerDiffers):
        capture(tmp_path, "words-O3", LINES, forget_fd=[3])
    result = capture(
        tmp_path,
        "words-O3",
        LINES.replace("[m.ccall", "[0 && m.ccall").replace(', m.FS.open("/lines.txt", "r").fd', ""),
        forget_fd=[3],
    )
    assert codes(result) == ["arguments-frozen"]


SHAPES = (
    HEAD
    + """
const add = (m) => m.addFunction((x) => x * 10, "ii");
exports.load = () => glue();
exports.prepare = (m) => { m._set_callback(add(m)); m.prepare(1000); m._open_log(); };
exports.resume = (m) => {
  add(m); // into the same slot of the table
  m.FS.writeFile("/log.txt", "first\\n");
  m.FS.llseek(m.FS.open("/log.txt", "r+"), 0, 2); // the same descriptor, at the same place
};
exports.answer = (m) => {
  const ready = m.prepared(), own = new m.Index(10), list = new m.Doubles();
  ready.name = "nämé";
  list.push_back(1.5);
  return [
    ready.at(999), ready.at(0), ready.name, own.at(9), own.name, m.norm({ x: 3, y: 4 }), m.describe({ a: "b" }), m.VERSION,
    m.Color.Green.value, m.Color.Red.value, list.get(0), list.size(), m._use_callback(7), m._use_callback(8), m._write_log(),
    m.FS.readFile("/log.txt", { encoding: "utf8" }), m.text(), (m.push(2), m.text()), m.fromAsm, m.registered,
  ];
};
"""
)


def test_what_embind_registered_is_there_again(tmp_path: Path) -> None:
    """And what the script repeats: a function that JavaScript added, a file that the program wrote."""
    result = capture(tmp_path, "shapes", SHAPES, replay=["js_register", "emscripten_asm_const_int"])
    assert set(codes(result)) == {"glue-slots", "glue-written", "glue-descriptors"}
    (tmp_path / "shapes.wasm").write_bytes(result.wasm)
    found = answers(tmp_path, 'require("./prepare.cjs").resume')
    assert found == [
        998001, 0, "nämé", 81, "index", 25, {"got": "b", "n": 9}, 12.5, 2, 1, 1.5, 1, 70, 80, 13, "first\nsecond\n", "[]",
        "[2]", 17, 5,
    ]  # fmt: skip


def test_the_error_of_a_wrong_answer_names_the_calls_that_are_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(AnswerDiffers) as caught:
        capture(tmp_path, "shapes", SHAPES)
    assert "`js_register` (1 call), `_emscripten_asm_const_int` (1 call)" in (caught.value.hint or "")


def test_a_handle_that_was_used_while_preparing_is_told(tmp_path: Path) -> None:
    script = SHAPES.replace("m.prepare(1000);", "m.prepare(1000); m.push(1);").replace(
        "m.text(), (m.push(2), m.text()),", ""
    )
    result = capture(tmp_path, "shapes", script, replay=["js_register", "emscripten_asm_const_int"])
    assert "glue-handles" in codes(result)


def test_a_program_that_ends_after_main_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureRefused, match="the program has ended") as caught:
        capture(tmp_path, "words-exit", WORDS)
    assert "EXIT_RUNTIME" in (caught.value.hint or "")


def test_a_program_that_sleeps_is_refused(tmp_path: Path) -> None:
    script = (
        HEAD
        + "exports.load = () => glue();\nexports.prepare = (m) => { m._work(50); };\nexports.answer = (m) => m._state();"
    )
    with pytest.raises(CaptureRefused, match="suspended"):
        capture(tmp_path, "sleep", script)
    awake = script.replace("{ m._work(50); }", "{ m._work(50); return new Promise((done) => setTimeout(done, 500)); }")
    result = capture(tmp_path, "sleep", awake)
    (tmp_path / "sleep.wasm").write_bytes(result.wasm)
    assert answers(tmp_path) == 2


def test_a_module_whose_bytes_are_in_the_javascript_is_refused(tmp_path: Path) -> None:
    module = project(tmp_path, "words-O1", WORDS)
    shutil.copy(BUILT / "words-single.js", tmp_path / "app.js")
    with pytest.raises(CaptureRefused, match="made no instance of the module") as caught:
        preinit.capture(module, tmp_path / "prepare.cjs")
    assert "SINGLE_FILE" in (caught.value.hint or "")


#: Takes the module out of the glue, and gives it another one: docs/glue.md has it so.
TAKEN_OUT = """
const fs = require("node:fs");
const held = /base64,(AGFzbQ[\\w+/=]*)/.exec(fs.readFileSync("app.js", "utf8"))[1];
fs.writeFileSync("app.wasm", Buffer.from(held, "base64"));
"""


def test_a_module_that_is_taken_out_of_the_javascript_can_be_captured(tmp_path: Path) -> None:
    """The glue takes other bytes where it is given some: the way out for who can't build the program."""
    assert NODE is not None
    script = WORDS.replace("_prepare(20)", "_prepare(1)")
    project(tmp_path, "words-O1", script)
    shutil.copy(BUILT / "words-single.js", tmp_path / "app.js")
    subprocess.run([NODE, "-e", TAKEN_OUT], cwd=tmp_path, check=True)
    result = preinit.capture(tmp_path / "app.wasm", tmp_path / "prepare.cjs")
    result.write(tmp_path / "ready.wasm")
    given = '{ print() {}, wasmBinary: require("node:fs").readFileSync("ready.wasm") }'
    (tmp_path / "prepare.cjs").write_text(script.replace("{ print() {} }", given))
    found = answers(tmp_path)
    assert [one.split()[0] for one in found[:2]] == ["0", str(111**2)]
    assert "a line of a filethrown" in found[0]
