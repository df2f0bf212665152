"""Files that a program had open: its output opens them again, each as the descriptor that it was."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import preinit
from preinit.errors import ScriptFailed
from tests.support.glue import LOAD, NODE, captured, codes, in_glue, needs_node

pytestmark = needs_node


def said(result: preinit.Result, code: str) -> str:
    (warning,) = (warning for warning in result.report.warnings if warning.code == code)
    return warning.message


FILES = """(module
  (import "env" "__syscall_openat" (func $open (param i32 i32 i32 i32) (result i32)))
  (import "env" "fd_close" (func $close (param i32) (result i32)))
  (import "env" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $__stack_pointer (mut i32) (i32.const 40000))
  (data (i32.const 100) "/a\\00\\00/b\\00\\00/c\\00\\00/d\\00\\00")
  (func (export "__wasm_call_ctors") (i64.store (i32.const 31808) (i64.const 0x5353535353535353)))
  (func (export "open") (param $name i32) (param $flags i32) (result i32)
    (call $open (i32.const -100) (i32.add (i32.const 100) (i32.mul (local.get $name) (i32.const 4))) (local.get $flags) (i32.const 0)))
  (func (export "close") (param i32) (drop (call $close (local.get 0))))
  (func (export "seek") (param i32 i64) (drop (call $seek (local.get 0) (local.get 1) (i32.const 0) (i32.const 8))))
  (func (export "get") (param i32) (result i32) (i32.load8_u (i32.add (i32.const 31808) (local.get 0)))))"""
FILING = """
import { readFileSync } from "node:fs";
export async function start() {
  const open = ["in", "out", "err"].map((path) => ({ path, at: 0 }));
  const memory = () => Buffer.from(instance.exports.memory.buffer);
  const text = (at) => memory().subarray(at, memory().indexOf(0, at)).toString();
  const env = {
    __syscall_openat(folder, path, flags) {
      const free = [...open.keys(), open.length].find((i) => !open[i]);
      if (text(path) === "/d" && !(flags & 64)) return -44;
      open[free] = { path: text(path), at: 0 };
      return free;
    },
    fd_close(i) { open[i] = undefined; return 0; },
    fd_seek(i, by, from, to) {
      if (from === 0) open[i].at = 0;
      open[i].at += Number(by);
      new DataView(instance.exports.memory.buffer).setBigInt64(to, BigInt(open[i].at), true);
      return 0;
    },
  };
  const { instance } = await WebAssembly.instantiate(readFileSync(new URL("app.wasm", import.meta.url)), { env });
  instance.exports.__wasm_call_ctors();
  return { open_files: open, ...instance.exports };
}
"""
SHOWN = "const p = await start(); console.log(JSON.stringify([p.open_files.map((f) => f && [f.path, f.at]).slice(3), p.get(0), p.get(7)]));"


def test_descriptors_of_the_machine_are_told_and_not_opened_again(tmp_path: Path) -> None:
    """As NODERAWFS has them: their numbers are other ones in each process."""
    raw = FILING.replace("import { readFileSync", "import { closeSync, openSync, readFileSync")
    raw = raw.replace("const free = [", "return openSync(text(path)); const free = [")
    raw = raw.replace("open[i] = undefined;", "closeSync(i);").replace("if (from === 0)", "return 70; if (from === 0)")
    text = FILES.replace('"/a\\00', '"/\\00\\00')
    script = LOAD + "export const prepare = (p) => { p.open(0, 0); }; export const answer = () => 1;"
    result = captured(tmp_path, script, text, raw)
    assert codes(result) == ["glue-descriptors"]
    assert "(NODERAWFS), which is another one in each process" in said(result, "glue-descriptors")
    (number,) = re.findall(r"forget_fd=\[(\d+)\]", result.report.warnings[0].hint)
    assert codes(captured(tmp_path, script, text, raw, forget_fd=[int(number)])) == []


def test_each_file_is_opened_again_as_the_descriptor_that_it_was(tmp_path: Path) -> None:
    """Lower ones were closed since; and what is written to memory meanwhile, is put back."""
    script = (
        LOAD
        + """
export const prepare = (p) => {
  [0, 1, 2, 0, 1].map((name) => p.open(name, 0));
  [3, 5].map(p.close);
  p.seek(7, 70000n);
};
export const answer = (p) => [p.get(0), p.get(7)];
"""
    )
    result = captured(tmp_path, script, FILES, FILING)
    assert codes(result) == ["glue-files"]
    assert "/b (4), /a (6), /b (7) are open" in said(result, "glue-files")
    assert in_glue(tmp_path, result, SHOWN) == [
        [None, ["/b", 0], None, ["/a", 0], ["/b", 70000]], 0x53, 0x53,
    ]  # fmt: skip


def test_a_file_that_is_not_there_again_is_told_and_others_keep_their_descriptors(tmp_path: Path) -> None:
    script = (
        LOAD + "export const prepare = (p) => { p.open(3, 64); p.open(1, 0); }; export const answer = (p) => p.get(0);"
    )
    result = captured(tmp_path, script, FILES, FILING)
    assert "descriptor 3 (/d) is open at the pause, and not in the output" in said(result, "glue-descriptors")
    assert "/d" in said(result, "glue-written")
    assert in_glue(tmp_path, result, SHOWN)[0] == [None, ["/b", 0]]


def of_64_bits(text: str) -> str:
    """The same program, whose addresses are numbers of 64 bits."""
    text = text.replace('(memory (export "memory") 1)', '(memory (export "memory") i64 1)')
    text = text.replace("$open (param i32 i32 i32 i32)", "$open (param i32 i64 i32 i64)")
    text = text.replace("$seek (param i32 i64 i32 i32)", "$seek (param i32 i64 i32 i64)")
    text = text.replace("(mut i32) (i32.const 40000)", "(mut i64) (i64.const 40000)")
    text = text.replace("(data (i32.const 100)", "(data (i64.const 100)").replace("(i64.store (i32", "(i64.store (i64")
    text = text.replace(
        "(i32.add (i32.const 100) (i32.mul (local.get $name) (i32.const 4)))",
        "(i64.extend_i32_u (i32.add (i32.const 100) (i32.mul (local.get $name) (i32.const 4))))",
    )
    text = text.replace("(local.get $flags) (i32.const 0)", "(local.get $flags) (i64.const 0)")
    text = text.replace("(i32.const 0) (i32.const 8)", "(i32.const 0) (i64.const 8)")
    return text.replace(
        "(i32.load8_u (i32.add (i32.const 31808) (local.get 0)))",
        "(i32.load8_u (i64.extend_i32_u (i32.add (i32.const 31808) (local.get 0))))",
    )


def test_a_memory_of_64_bits_is_captured_with_its_files(tmp_path: Path) -> None:
    """Node may take it with a flag only: then that is said, and another Node can be named."""
    script = (
        LOAD + "export const prepare = (p) => { p.open(0, 0); p.seek(3, 7n); }; export const answer = (p) => p.get(0);"
    )
    glue = FILING.replace("const text = (at) =>", "const text = (big, at = Number(big)) =>").replace(
        "setBigInt64(to,", "setBigInt64(Number(to + 0n),"
    )
    options: dict[str, str] = {}
    try:
        result = captured(tmp_path, script, of_64_bits(FILES), glue)
    except ScriptFailed as problem:
        assert "memory64" in problem.what
        assert problem.hint
        make = problem.hint.split("`")[1]
        subprocess.run(make, shell=True, cwd=tmp_path, check=True)
        options["node"] = str(tmp_path / "node.sh")
        result = captured(tmp_path, script, of_64_bits(FILES), glue, **options)
    assert codes(result) == ["glue-files"]
    assert result.report.capture
    assert result.report.capture.answered
    assert in_glue(tmp_path, result, SHOWN, **options) == [[["/a", 7]], 0x53, 0x53]


#: Nothing seeks here.
WIDE = """(module
  (import "env" "__syscall_openat" (func $open (param i32 i64 i32 i64) (result i32)))
  (import "env" "__syscall_getdents64" (func $list (param i32 i64 i64) (result i32)))
  (import "env" "__syscall_chdir" (func $chdir (param i64) (result i32)))
  (import "env" "fd_close" (func (param i32) (result i32)))
  (import "env" "fd_read" (func $read (param i32 i64 i64 i64) (result i32)))
  (import "env" "fd_write" (func $write (param i32 i64 i64 i64) (result i32)))
  (memory (export "memory") i64 1)
  (global $__stack_pointer (mut i64) (i64.const 40000))
  (data (i64.const 100) "/w\\00\\00d\\00half ")
  (data (i64.const 31808) "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS")
  (data (i64.const 200) "\\40\\02\\00\\00\\00\\00\\00\\00\\bc\\02\\00\\00\\00\\00\\00\\00")
  (data (i64.const 216) "\\6a\\00\\00\\00\\00\\00\\00\\00\\05\\00\\00\\00\\00\\00\\00\\00")
  (func (export "__wasm_call_ctors"))
  (func (export "prepare")
    (drop (call $open (i32.const -100) (i64.const 100) (i32.const 0) (i64.const 0)))
    (drop (call $list (i32.const 3) (i64.const 2000) (i64.const 2048)))
    (drop (call $chdir (i64.const 100)))
    (drop (call $open (i32.const -100) (i64.const 104) (i32.const 0) (i64.const 0)))
    (drop (call $read (i32.const 4) (i64.const 200) (i64.const 1) (i64.const 8)))
    (drop (call $write (i32.const 1) (i64.const 216) (i64.const 1) (i64.const 8))))
  (func (export "get") (param i32) (result i32) (i32.load8_u (i64.extend_i32_u (i32.add (i32.const 31808) (local.get 0))))))"""
WIDE_GLUE = """
import { readFileSync } from "node:fs";
export async function start() {
  const open = ["in", "out", "err"].map((path) => ({ path, at: 0 }));
  const folder = [];
  const view = () => new DataView(instance.exports.memory.buffer);
  const text = (at, end) => Buffer.from(view().buffer).subarray(Number(at), end && Number(end)).toString().split("\\0")[0];
  const pair = (at) => [0, 8].map((by) => Number(view().getBigUint64(Number(at) + by, true)));
  const done = (to, size) => (view().setBigUint64(Number(to), BigInt(size), true), 0);
  const env = {
    __syscall_openat: (at, path) => open.push({ path: text(path), at: 0 }) - 1,
    __syscall_getdents64(i, to, size) {
      const count = Math.min(Math.floor(Number(size) / 280), 9 - open[i].at / 280);
      Buffer.from(view().buffer).fill(1, Number(to), Number(to) + count * 280);
      open[i].at += count * 280;
      return count * 280;
    },
    __syscall_chdir: (path) => (folder.push(text(path)), 0),
    fd_close(i) { open[i] = undefined; return 0; },
    fd_read(i, parts, count, to) {
      const [at, size] = pair(parts);
      Buffer.from(view().buffer).fill(2, at, at + size);
      open[i].at += size;
      return done(to, size);
    },
    fd_write(i, parts, count, to) {
      if (i > 2) return 8;
      if (!count) return 0;
      const [at, size] = pair(parts);
      open[i].line = text(at, at + size);
      return done(to, size);
    },
  };
  const { instance } = await WebAssembly.instantiate(readFileSync(new URL("app.wasm", import.meta.url)), { env });
  instance.exports.__wasm_call_ctors();
  return { found: () => [open.map((f) => f && [f.path, f.at, f.line]), folder], ...instance.exports };
}
"""


def wide_node(folder: Path) -> str | None:
    """A Node that takes addresses of 64 bits; None if Node does so without a flag."""
    code = "process.exit(Number(process.versions.node.split('.')[0]) < 24)"
    assert NODE is not None
    if subprocess.run([NODE, "-e", code], check=False).returncode == 0:
        return None
    place = folder / "node.sh"
    place.write_text('#!/bin/sh\nexec node --experimental-wasm-memory64 "$@"\n')
    place.chmod(0o755)
    return str(place)


def test_a_memory_of_64_bits_gets_its_positions_folder_and_lines_back_without_seeking(tmp_path: Path) -> None:
    """By listing and reading; what that writes to memory is put back."""
    script = LOAD + "export const prepare = (p) => p.prepare(); export const answer = (p) => p.get(40);"
    node = wide_node(tmp_path)
    result = captured(tmp_path, script, WIDE, WIDE_GLUE, node=node)
    assert codes(result) == ["glue-files", "glue-output"]
    shown = "const p = await start(); console.log(JSON.stringify([...p.found(), p.get(0), p.get(47)]))"
    assert in_glue(tmp_path, result, shown, node) == [
        [["in", 0, None], ["out", 0, "half "], ["err", 0, None], ["/w", 1960, None], ["/w/d", 700, None]], ["/w"],
        0x53, 0x53,
    ]  # fmt: skip


#: The same, with descriptors that are copied; names are read byte by byte.
COPYING = (
    FILES.replace(
        '(import "env" "fd_close"',
        """(import "env" "__syscall_dup3" (func $dup3 (param i32 i32 i32) (result i32)))
  (import "env" "__syscall_fcntl64" (func $fcntl (param i32 i32 i32) (result i32)))
  (import "env" "fd_close\"""",
    )
    .replace(
        '(func (export "close")',
        """(func (export "dup3") (param i32 i32) (drop (call $dup3 (local.get 0) (local.get 1) (i32.const 0))))
  (func (export "copy") (param i32) (result i32) (call $fcntl (local.get 0) (i32.const 0) (i32.const 0)))
  (func (export "close")""",
    )
    .replace('"/a\\00\\00', '"/\\ff\\00\\00')
)
COPYING_GLUE = FILING.replace(".toString();", '.toString("latin1");').replace(
    "fd_close(i)",
    """__syscall_dup3(from, to) { open[to] = open[from]; return to; },
    __syscall_fcntl64(from) { return open.push(open[from]) - 1; },
    fd_close(i)""",
)
REOPENED = LOAD + "export const prepare = (p) => { p.open(0, 0); STEPS }; export const answer = (p) => p.get(0);"
ALL_SHOWN = SHOWN.replace(".slice(3)", "")


@pytest.mark.parametrize(
    ("steps", "open_then"),
    [
        ("p.dup3(3, 1); p.close(3); p.seek(1, 7n);", ["in", ["/\xff", 7], "err", None]),  # as freopen does
        ("p.dup3(3, 9); p.close(3); p.open(1, 0);", ["in", "out", "err", ["/b", 0], *[None] * 5, ["/\xff", 0]]),
        ("p.copy(3); p.close(3); p.seek(4, 5n);", ["in", "out", "err", None, ["/\xff", 5]]),
        ("p.open(1, 0); p.open(2, 0); p.dup3(4, 3); p.close(4);", ["in", "out", "err", ["/b", 0], None, ["/c", 0]]),
    ],
)
def test_a_file_that_was_put_in_the_place_of_another_descriptor_is_there_again(
    tmp_path: Path, steps: str, open_then: list[object]
) -> None:
    """Whatever its name is: no UTF-8 here."""
    result = captured(tmp_path, REOPENED.replace("STEPS", steps), COPYING, COPYING_GLUE)
    # The list that this glue keeps may be longer, by closed ones.
    assert [code for code in codes(result) if code != "glue-left"] == ["glue-files"]
    shown = [[one, 0] if isinstance(one, str) else one for one in open_then]
    assert in_glue(tmp_path, result, ALL_SHOWN) == [shown, 0x53, 0x53]


def test_a_copy_of_a_standard_stream_alone_needs_no_file(tmp_path: Path) -> None:
    script = REOPENED.replace("p.open(0, 0); STEPS", "p.copy(2)")
    result = captured(tmp_path, script, COPYING, COPYING_GLUE)
    assert codes(result) == []
    assert in_glue(tmp_path, result, ALL_SHOWN)[0] == [["in", 0], ["out", 0], ["err", 0], ["err", 0]]


@pytest.mark.parametrize(
    ("steps", "open_then"),
    [
        ("p.dup3(3, 1); p.copy(3); p.seek(4, 7n);", ["in", ["/\xff", 7], "err", ["/\xff", 7], ["/\xff", 7]]),
        # Standard output is kept, a file takes its place; or standard error goes where standard output goes.
        ("p.copy(1); p.dup3(2, 1);", ["in", "err", "err", ["/\xff", 0], "out"]),
        ("p.copy(1); p.dup3(3, 1);", ["in", ["/\xff", 0], "err", ["/\xff", 0], "out"]),
        ("p.dup3(1, 2);", ["in", "out", "out", ["/\xff", 0]]),
        # What was kept is put back.
        ("p.copy(1); p.dup3(3, 1); p.dup3(4, 1); p.close(4);", ["in", "out", "err", ["/\xff", 0], None]),
    ],
)
def test_descriptors_that_share_a_file_share_it_again(tmp_path: Path, steps: str, open_then: list[object]) -> None:
    result = captured(tmp_path, REOPENED.replace("STEPS", steps), COPYING, COPYING_GLUE)
    # The list that this glue keeps may be longer, by closed ones.
    assert [code for code in codes(result) if code != "glue-left"] == ["glue-files"]
    shown = [[one, 0] if isinstance(one, str) else one for one in open_then]
    same = "p.open_files.map((f) => f && p.open_files.indexOf(f))"
    later = ALL_SHOWN.replace("p.get(0), p.get(7)", same)
    own = [one if one is None else shown.index(one) for one in shown]
    found = in_glue(tmp_path, result, later)
    while found[0][-1] is None:
        assert [found[0].pop(), found[1].pop()] == [None, None]
    while shown[-1] is None:
        del shown[-1], own[-1]
    assert found == [shown, own]


def test_descriptors_are_copied_where_the_glue_chooses_their_numbers(tmp_path: Path) -> None:
    """A file in the place of a closed stream gets its number. Or, where nothing can copy one to its number, told."""
    copy = "p.close(0); p.open(1, 0); p.copy(3); p.copy(1); p.close(4); p.copy(2)"
    dup = COPYING.replace("__syscall_dup3", "other").replace(
        '"__syscall_fcntl64" (func $fcntl (param i32 i32 i32)', '"__syscall_dup" (func $fcntl (param i32)'
    )
    dup = dup.replace("(call $fcntl (local.get 0) (i32.const 0) (i32.const 0))", "(call $fcntl (local.get 0))")
    glue = COPYING_GLUE.replace(
        "__syscall_fcntl64(from) { return open.push(open[from]) - 1; },",
        "other() {}, __syscall_dup(from) { return copied(from); }, __syscall_fcntl64(from) { return copied(from); },",
    ).replace(
        "  const env",
        """  const copied = (from) => {
    const free = [...open.keys(), open.length].find((i) => !open[i]);
    open[free] = open[from];
    return free;
  };
  const env""",
    )
    result = captured(tmp_path, REOPENED.replace("STEPS", copy), dup, glue)
    assert codes(result) == ["glue-files"]
    open_then = [["/b", 0], ["out", 0], ["err", 0], ["/\xff", 0], ["err", 0], ["out", 0]]
    assert in_glue(tmp_path, result, ALL_SHOWN) == [open_then, 0x53, 0x53]
    told = captured(tmp_path, REOPENED.replace("STEPS", copy), COPYING.replace("__syscall_dup3", "other"), glue)
    assert "descriptor 4 (a copy of descriptor 2), descriptor 5 (a copy of descriptor 1) are open" in said(
        told, "glue-descriptors"
    )
    assert in_glue(tmp_path, told, ALL_SHOWN)[0] == open_then[:4]


MINIFIED_FILES = FILES.replace('(func (export "__wasm_call_ctors")', '(func (export "qe")) (func $ctors (export "ba")')
MINIFIED_FILING = (
    FILING.replace("if (text(path)", "if (!there || text(path)")
    .replace(
        "instance.exports.__wasm_call_ctors();",
        """const stackCheckInit = () => instance.exports.qe();
  const initRuntime = () => instance.exports.ba();
  stackCheckInit();
  there = true;
  initRuntime();""",
    )
    .replace("const open =", "let there = false;\n  const open =")
)


def test_files_are_opened_again_when_the_glue_has_made_its_files(tmp_path: Path) -> None:
    """Glue calls the program before, to tell it of its stack."""
    script = LOAD + "export const prepare = (p) => { p.open(0, 0); }; export const answer = (p) => p.get(0);"
    result = captured(tmp_path, script, MINIFIED_FILES, MINIFIED_FILING)
    assert codes(result) == ["glue-files"]
    assert in_glue(tmp_path, result, SHOWN)[0] == [["/a", 0]]
