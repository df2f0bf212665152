"""What a program asked of the world is in the output, an empty answer, too: that is said as of a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit.binary.module import parse
from preinit.errors import WarningsRefused
from preinit.node.asked import reads_parameters
from tests.support.glue import LOAD, PROGRAM, captured, codes, in_glue, needs_node
from tests.support.modules import wasm

pytestmark = needs_node

#: Its constructors keep the environment, as a C library's do, and main keeps how many arguments there are.
ASKING = """(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "env" "_tzset_js" (func $zone (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 300) "\\90\\01\\00\\00\\08\\00\\00\\00")
  (func $init_environ
    (drop (call $sizes (i32.const 64) (i32.const 68)))
    (drop (call $get (i32.const 80) (i32.const 200))))
  (func (export "__wasm_call_ctors") CONSTRUCTORS)
  (func (export "main") (param i32 i32) (result i32) MAIN (i32.const 0))
  (func (export "later") (call $init_environ))
  (func (export "input") (drop (call $read (i32.const 0) (i32.const 300) (i32.const 1) (i32.const 72))))
  (func $tzset (export "tzset") (call $zone (i32.const 0) (i32.const 4) (i32.const 8)))
  (func (export "argc") (result i32) (i32.load (i32.const 60)))
  (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"""
KEEPS = "(i32.store (i32.const 60) (local.get 0))"
#: As Emscripten's: variables and arguments that the script gives.
GLUE = """
import { readFileSync } from "node:fs";
export async function start({ ENV = {}, arguments: given = [] } = {}) {
  const texts = Object.entries(ENV).map((pair) => `${pair.join("=")}\\0`);
  const view = () => new DataView(instance.exports.memory.buffer);
  const put = (at, list, to) => list.reduce((place, text, i) => {
    view().setUint32(at + 4 * i, place, true);
    return place + Buffer.from(view().buffer).write(text, place);
  }, to);
  const wasi_snapshot_preview1 = {
    environ_sizes_get(count, size) {
      view().setUint32(count, texts.length, true);
      view().setUint32(size, texts.join("").length, true);
      return 0;
    },
    environ_get(at, to) { put(at, texts, to); return 0; },
    fd_read(fd, vectors, count, at) { view().setUint32(at, 5, true); return 0; },
  };
  const bytes = readFileSync(new URL("app.wasm", import.meta.url));
  const env = { _tzset_js() {} };
  const { instance } = await WebAssembly.instantiate(bytes, { wasi_snapshot_preview1, env });
  instance.exports.__wasm_call_ctors();
  const argv = ["./this.program", ...given].map((text) => `${text}\\0`);
  put(1024, argv, 2048);
  instance.exports.main(argv.length, 1024);
  return instance.exports;
}
"""
SCRIPT = LOAD + "export const prepare = (p) => PREPARES; export const answer = (p) => [p.argc(), p.byte(200)];"


def asked(
    folder: Path, constructors: str = "", main: str = "", prepares: str = "0", given: str = "", **options: Any
) -> preinit.Result:
    text = ASKING.replace("CONSTRUCTORS", constructors).replace("MAIN", main)
    script = SCRIPT.replace("start()", f"start({given})").replace("PREPARES", prepares)
    return captured(folder, script, text, GLUE, **options)


def told(result: preinit.Result) -> str:
    (warning,) = result.report.warnings
    return f"{warning.code}: {warning.message} | {warning.hint}"


def test_an_environment_that_is_read_while_the_program_is_loaded_is_told_with_who_read_it(tmp_path: Path) -> None:
    result = asked(tmp_path, "(call $init_environ)", given="{ ENV: { HOME: '/', WORD: 'one' } }")
    said = told(result)
    assert said.startswith("environment-frozen: the program was handed the environment variables WORD, HOME (first in ")
    assert "`init_environ`, called from `__wasm_call_ctors`" in said
    assert "resume(program)" in said
    assert result.report.host.environment == ("WORD", "HOME")
    # It is as was said: an instance's own is not looked at.
    later = "const p = await start({ ENV: { ANOTHER: 1 } }); console.log(p.byte(200));"
    assert in_glue(tmp_path, result, later) == ord("H")


def test_an_environment_that_was_empty_is_kept_as_much(tmp_path: Path) -> None:
    assert "was handed no variable" in told(asked(tmp_path, "(call $init_environ)"))


def test_an_environment_that_is_read_in_prepare_is_told_and_what_nothing_reads_is_not(tmp_path: Path) -> None:
    given = "{ ENV: { WORD: 1 } }"
    assert "(first in `init_environ`, called from `later`)" in told(asked(tmp_path, prepares="p.later()", given=given))
    reused = "(local.set 0 (i32.const 1)) (drop (local.get 0))"
    assert codes(asked(tmp_path, main=reused, given=f"{given[:-2]}, arguments: ['-q'] }}")) == []


def test_where_the_start_function_reads_it_its_variables_are_named_too(tmp_path: Path) -> None:
    text = ASKING.replace("CONSTRUCTORS", "").replace("MAIN", "").replace('(memory (export "memory") 1)', "")
    text = text.replace(
        "(module", '(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)) (start $begin)'
    )
    text = text.replace("(func $init_environ", "(func $begin (call $init_environ)) (func $init_environ")
    glue = GLUE.replace("instance.exports.memory", "memory").replace(
        "const env = {", "const env = { memory,"
    ).replace("const texts", "const memory = new WebAssembly.Memory({ initial: 1 });\n  const texts")  # fmt: skip
    script = SCRIPT.replace("start()", "start({ ENV: { WORD: 1 } })").replace("PREPARES", "0")
    assert "the environment variable WORD (first in `init_environ`" in told(captured(tmp_path, script, text, glue))


#: As optimizers make other variables of parameters.
SOMETIMES = "(if (i32.gt_s (memory.size) (i32.const 9)) (then (local.set 0 (i32.const 1))))"


def test_arguments_that_main_looks_at_are_told(tmp_path: Path) -> None:
    result = asked(tmp_path, main=f"{SOMETIMES} {KEEPS}", given="{ arguments: ['-q', 'file'] }")
    said = told(result)
    assert said.startswith("arguments-frozen: the program was handed 2 arguments (first in `main`)")
    assert "resume(program)" in said
    assert in_glue(tmp_path, result, "console.log((await start()).argc())") == 3
    assert "asked for its arguments (first in `main`) and was handed none" in told(asked(tmp_path, main=KEEPS))


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        (f"{SOMETIMES} {KEEPS}", True),
        (f"(block (br_if 0 (i32.const 1)) (local.set 0 (i32.const 1))) {KEEPS}", True),
        ("(if (memory.size) (then (local.set 0 (i32.const 1))) (else (drop (local.get 0))))", True),
        (f"(local.set 1 (i32.const 0)) (loop {KEEPS} (local.set 0 (i32.const 1)) (br_if 0 (local.get 1)))", True),
        ("(try_table (local.set 0 (i32.const 1))) (drop (local.get 0))", True),
        ("(local.set 0 (local.get 0))", True),
        (f"(local.set 0 (i32.const 1)) {SOMETIMES} {KEEPS}", False),
        (f"(block (local.set 0 (i32.const 1)) (loop {KEEPS}))", False),
        ("(local $one i32) (drop (local.get $one))", False),
        ("", False),
    ],
)
def test_a_parameter_is_read_unless_it_is_certainly_overwritten_before(body: str, reads: bool) -> None:
    module = parse(wasm(f"(module (memory 1) (func (param i32 i32) (result i32) {body} (i32.const 0)))"))
    assert reads_parameters(module, 0, 2) is reads


def test_arguments_of_a_main_of_another_name_that_is_not_to_run_again_are_told(tmp_path: Path) -> None:
    text = ASKING.replace('(export "main")', '$begin (export "M")').replace("MAIN", KEEPS).replace("CONSTRUCTORS", "")
    script = SCRIPT.replace("start()", "start({ arguments: ['-q', 'file'] })").replace("PREPARES", "0")
    result = captured(tmp_path, script, text, GLUE.replace("exports.main(", "exports.M("), once=["M"])
    assert told(result).startswith("arguments-frozen: the program was handed 2 arguments (first in `begin`)")


def test_standard_input_and_the_time_zone_are_told(tmp_path: Path) -> None:
    result = asked(tmp_path, prepares="[p.input(), p.tzset()]")
    assert codes(result) == ["stdin-consumed", "environment-frozen"]
    read, zone = (warning.message for warning in result.report.warnings)
    assert "the program read 5 bytes of standard input (first in `input`)" in read
    assert "the program asked for the time zone (first in `tzset`) and was told" in zone


def test_they_are_accepted_as_those_of_a_build_are_also_by_who_asked(tmp_path: Path) -> None:
    given: Any = {"constructors": "(call $init_environ)", "prepares": "p.later()", "strict": True}
    assert asked(tmp_path, **given, accept=["environment-frozen@__wasm_call_ctors", "environment-frozen@later"]).wasm
    with pytest.raises(WarningsRefused, match="accepted by way of `later` only, and it is also done in `init_environ`"):
        asked(tmp_path, **given, accept=["environment-frozen@later"])


WORLD = LOAD.replace("start()", "start({ emscripten_date_now: () => TAKES })")


@pytest.mark.parametrize("source", ["default", "host"])
def test_clocks_and_random_numbers_are_told_with_who_took_them_the_hosts_own_too(tmp_path: Path, source: str) -> None:
    options = {} if source == "default" else {"clock": "host", "random": "host"}
    takes = "Date.now() + new Date().getTime() + crypto.getRandomValues(new Uint8Array(8))[0] + Math.random()"
    script = WORLD.replace("TAKES", takes) + "export const prepare = (p) => p.now(); export const answer = () => 1;"
    result = captured(tmp_path, script, PROGRAM, **options)
    assert codes(result) == ["entropy-frozen", "clock-frozen"]
    first, second = (warning.message for warning in result.report.warnings)
    assert "took 12 random bytes (first in `now`)" in first
    assert "read the time of day 2 times (first in `now`)" in second


def test_an_environment_is_known_by_what_it_leaves_where_all_names_are_minified(tmp_path: Path) -> None:
    """As a closure compiler leaves them. Other imports that take two numbers are no environment."""
    given = "{ ENV: { WORD: 'one', HOME: '' } }"
    text = ASKING.replace("environ_sizes_get", "G").replace("environ_get", "H").replace("MAIN", "")
    glue = GLUE.replace("environ_sizes_get(", "G(").replace("environ_get(", "H(")
    script = SCRIPT.replace("start()", f"start({given})").replace("PREPARES", "0")
    result = captured(tmp_path, script, text.replace("CONSTRUCTORS", "(call $init_environ)"), glue)
    assert "the environment variables WORD, HOME (first in `init_environ`" in told(result)
    once = "(drop (call $sizes (i32.const 64) (i32.const 68)))(drop (call $sizes (i32.const 64) (i32.const 68)))"
    found = captured(tmp_path, script, text.replace("CONSTRUCTORS", once), glue)
    assert codes(found) == ["glue-import-dropped"]


def test_standard_input_is_known_by_what_reading_leaves_where_all_names_are_minified(tmp_path: Path) -> None:
    text = ASKING.replace("fd_read", "R").replace("MAIN", "").replace("CONSTRUCTORS", "")
    script = SCRIPT.replace("PREPARES", "p.input()")
    result = captured(tmp_path, script, text, GLUE.replace("fd_read(", "R("))
    assert "stdin-consumed" in codes(result)
    assert "the program read 5 bytes of standard input (first in `input`)" in result.report.warnings[0].message


OPENING = """(module
  (import "env" "__syscall_openat" (func $open (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 300) "\\90\\01\\00\\00\\08\\00\\00\\00")
  (func (export "__wasm_call_ctors"))
  (func (export "take") (drop (call $read
    (call $open (i32.const -100) (i32.const 500) (i32.const 0) (i32.const 0)) (i32.const 300) (i32.const 1) (i32.const 72)))))"""
OPENING_GLUE = """
import { readFileSync } from "node:fs";
export async function start() {
  let next = 3;
  const wasi_snapshot_preview1 = {
    fd_read(fd, pieces, count, at) { new DataView(memory.buffer).setUint32(at, 1, true); return 0; },
  };
  const env = { __syscall_openat: () => next++ };
  const bytes = readFileSync(new URL("app.wasm", import.meta.url));
  const { instance } = await WebAssembly.instantiate(bytes, { wasi_snapshot_preview1, env });
  const { memory, take, __wasm_call_ctors } = instance.exports;
  __wasm_call_ctors();
  return { read(name) { Buffer.from(memory.buffer).write(`${name}\\0`, 500); take(); } };
}
"""


def test_standard_input_is_told_where_it_was_opened_as_what_a_descriptor_is(tmp_path: Path) -> None:
    names = ["/proc/self/fd/0", "/dev/fd/3", "/file", "/proc/self/fd/5", "/dev/null", "/dev/../dev/stdin"]
    script = LOAD + f"export const prepare = (p) => {names}.forEach(p.read); export const answer = () => 1;"
    said = [one.message for one in captured(tmp_path, script, OPENING, OPENING_GLUE).report.warnings]
    assert any("the program read 3 bytes of standard input (first in `take`)" in message for message in said)


def test_what_javascript_asks_of_the_machine_for_the_program_is_told_and_for_itself_it_is_not(tmp_path: Path) -> None:
    takes = "process.env.GIVEN + process.env.NONE + process.argv.length + new Date(0).getTimezoneOffset()"
    takes += " + require('fs').readFileSync(0).length + new Intl.Collator().resolvedOptions().locale + performance.timeOrigin + require('crypto').prng(3)[0]"
    own = takes.replace("process.env.GIVEN", "process.env.OWN").replace("require('crypto').prng(3)[0]", "1")
    script = 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);\n' + WORLD
    script = script.replace("TAKES", f"Number({takes})") + "process.env.GIVEN = process.env.OWN = 'x';"
    asks = f"export const prepare = (p) => {{ {own}; p.now(); }}; export const answer = () => 1;"
    result = captured(tmp_path, script + asks, PROGRAM, args=["one", "two"])
    said = "\n".join(f"{one.code}: {one.message}" for one in result.report.warnings)
    for expected in (
        "entropy-frozen: the program took 3 random bytes (first in `now`)",
        "clock-frozen: the program read the time of day (first in `now`)",
        "environment-frozen: the program was handed the environment variable GIVEN (first in `now`)",
        "arguments-frozen: the program was handed 2 arguments (first in `now`)",
        "stdin-consumed: the program read 0 bytes of standard input (first in `now`)",
        "environment-frozen: the program asked for the time zone (first in `now`)",
        "environment-frozen: the program asked for the user's language (first in `now`)",
    ):
        assert expected in said
    assert said.count("\n") == 6
    assert codes(captured(tmp_path, script + asks.replace("p.now()", "0"), PROGRAM)) == []


def test_arguments_that_javascript_reads_of_the_program_late_are_told(tmp_path: Path) -> None:
    script = WORLD.replace("TAKES", "held.arguments.length").replace(
        "export const load = () => start(", "const held = { arguments: ['a', 'b'] };\nexport const load = async () => Object.assign(held, await start("
    ).replace("})", "}))")  # fmt: skip
    script += "export const prepare = (p) => p.now(); export const answer = (p) => p.arguments.length;"
    assert "was handed 2 arguments (first in `now`)" in told(captured(tmp_path, script, PROGRAM))
