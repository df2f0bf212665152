"""What a program did to descriptors, files and its folder, in the glue of Emscripten: it is so again, or that is told.

The module imports nothing that seeks. Its glue's file system is asked where `load` gives it back; elsewhere the calls
of imports must tell all.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit.errors import AnswerDiffers
from tests.support.glue import codes, needs_node
from tests.support.places import ROOT

pytestmark = needs_node

SCRIPT = """
delete globalThis.fetch;
const assert = require("node:assert");
const out = [];
const [READ, WRITE, BOTH] = [0, 1, 2];
let FS, call, read;
exports.load = async () => {
  const files = { "/d": "0123456789abcdefghij", "/e": "EEEE", "/old/e": "EEEE", "/moved/e": "EEEE", "/w/d": "in w" };
  const options = { print: (line) => out.push(line), printErr: (line) => out.push(`error: ${line}`) };
  options.preRun = [() => {
    for (const folder of ["/w", "/many", "/old", "/moved"]) options.FS.mkdir(folder);
    for (let i = 10; i < 30; i++) files[`/many/${i}`] = "";
    for (const [path, content] of Object.entries(files)) options.FS.writeFile(path, content);
  }];
  const program = await require("./files.js")(options);
  const typed = (kind) => (name, ...args) => program.ccall(`${name}_`, kind, args.map((value) => typeof value), args);
  [FS, call, read] = [program.FS, typed("number"), typed("string")];
  return { FS: GIVEN ? FS : null };
};
exports.prepare = () => { STEPS };
exports.answer = () => { assert.deepStrictEqual([FOUND], EXPECTED); return 1; };
"""
BOTH_WAYS = pytest.mark.parametrize("given", [True, False])


def captured(
    folder: Path,
    given: bool,
    steps: str,
    found: str = "",
    expected: object = (),
    resume: str = "",
    **options: Any,
) -> preinit.Result:
    """The capture of a program that took some steps, after which input and output find what is expected."""
    for name in ("files.js", "files.wasm"):
        shutil.copy(ROOT / "fixtures/glue" / name, folder)
    script = SCRIPT.replace("GIVEN", json.dumps(given)).replace("STEPS", steps).replace("FOUND", found)
    (folder / "prepare.cjs").write_text(script.replace("EXPECTED", json.dumps(expected)) + resume)
    result = preinit.capture(folder / "files.wasm", folder / "prepare.cjs", **options)
    assert result.report.capture
    assert result.report.capture.answered
    return result


def told(result: preinit.Result) -> str:
    return "\n".join(f"{one.code}: {one.message} | {one.hint}" for one in result.report.warnings)


@BOTH_WAYS
def test_a_program_goes_on_in_its_files_folders_and_lines_where_it_was(tmp_path: Path, given: bool) -> None:
    steps = """
      call("chdir", "/w"); call("open", "d", READ); read("read", 3, 1);
      call("opendir", "/many"); for (let i = 0; i < 9; i++) read("readdir");
      call("openat", call("open", "/w", 0x10000), "d"); call("close", 5); read("read", 6, 2);
      call("open", "/old/e", BOTH); call("append", 5);
      FS.unlink("/moved/e"); FS.rmdir("/moved"); call("rename", "/old", "/moved");
      call("write", 1, "shown"); call("close", 0); call("open", "/d", READ); read("read", 0, 4);
      call("write", 1, "shown\\nhalf a "); call("write", 2, "h\\u00e9");
    """
    found = """
      read("read", 3, 9), Array.from({ length: 14 }, () => read("readdir")).join(), read("read", 6, 9),
      (call("write", 1, "line\\n"), call("write", 2, "h\\n"), out.slice(-2)), read("read", 0, 3),
      (call("write", 5, "ZZ"), read("read", call("open", "../moved/e", READ), 9)), call("open", "d", READ)
    """
    rest = ",".join(map(str, range(17, 30))) + ","
    result = captured(
        tmp_path, given, steps, found, ["n w", rest, " w", ["half a line", "error: h\u00e9h"], "456", "EEEEZZ", 8]
    )
    # Without asking the glue it is not certain that it keeps begun lines.
    unsure = ["glue-output", "glue-output"]
    assert codes(result) == ["glue-files", *([] if given else unsure), "glue-written", *["glue-written"] * given]
    assert "/d (0), /w/d (3), /many (4), /moved/e (5), /w/d (6) are open" in told(result)
    if not given:
        assert "a line on standard output (7 bytes: half a ): the output writes that again" in told(result)
        assert "forget_fd=[1]" in told(result)


@BOTH_WAYS
def test_streams_that_were_swapped_or_closed_and_what_javascript_closed_are_so_again(
    tmp_path: Path, given: bool
) -> None:
    steps = """
      call("open", "/d", READ); call("open", "/e", READ); FS.close(FS.streams[3]); call("close", -1);
      call("dup2", 1, 9); call("dup2", 2, 1); call("dup2", 9, 2); call("close", 9); call("close", 0);
    """
    found = """
      (call("write", 1, "a\\n"), call("write", 2, "b\\n"), out.slice(-2)), read("read", 3, 1), read("read", 4, 1),
      call("open", "/d", READ), call("open", "/d", READ), call("open", "/d", READ)
    """
    result = captured(tmp_path, given, steps, found, [["error: a", "b"], "error 8", "E", 0, 3, 5])
    assert codes(result) == ["glue-files"]
    assert "/e (4) is open" in told(result)


@BOTH_WAYS
def test_what_can_not_be_as_it_was_is_told_with_what_it_is(tmp_path: Path, given: bool) -> None:
    steps = """
      call("open", "/d", READ); call("unlink", "/d"); call("open", "/e", WRITE); call("write", 4, "Q");
      FS.open("/w/d", "r"); call("pipe"); call("open", "/w/d", 0o2000 | BOTH); call("rename", "/w/d", "/w/other");
      FS.mkdir("/new"); call("chdir", "/new"); call("write", 1, "x".repeat(4096));
      FS.writeFile("/many/10", "new"); FS.unlink("/many/11"); FS.symlink("/d", "/many/l"); FS.chmod("/many/12", 0o400);
      FS.utime("/many/13", 1000, 2000); FS.writeFile("/new/inner", ""); FS.writeFile("/many/14", "again");
      FS.mkdir("/host"); FS.mount({ mount: () => ({ mode: 0o40777 }) }, { root: "there" }, "/host");
    """
    result = captured(tmp_path, given, steps, resume='exports.resume = () => FS.writeFile("/many/14", "again");')
    opened = "/w/d, opened by JavaScript" if given else "opened by JavaScript"
    for said in (
        f"descriptor 3 (/d, which is not there any more), descriptor 5 ({opened}), descriptor 6 (___syscall_pipe), "
        "descriptor 7 (___syscall_pipe), descriptor 8 (/w/other) are open at the pause, and not in the output",
        'in the same order: `program.FS.open("/w/other", "a+")`',
        "descriptor 4 (/e) stands at byte 1 at the pause, and in the output at 0",
        'in the same order: `program.FS.llseek(program.FS.open("/e", "r+"), 1, 0)`; `forget_fd=[4]`',
        "the current folder of the program is /new at the pause, and in the output ",
        'program.FS.chdir("/new")',
        f"on standard output (4,096 bytes: {'x' * 40}...): what JavaScript keeps of it until it ends is not in the output",
    ):
        assert said in told(result)
    found = ["glue-descriptors", "glue-positions", "glue-output", "glue-folder", "glue-written"]
    assert codes(result) == [*found, *["glue-written"] * given]
    if given:
        # And neither what resume() does again, nor what the program wrote, which another warning names.
        assert (
            "resume(program) does not: /new (made), /host (mounted), /w/other (made), /many/10 (changed), /many/12 "
            "(changed), /many/13 (its time was changed), /many/l (made), /d (removed), /w/d (removed), /many/11 "
            "(removed): what JavaScript, or the program, did"
        ) in told(result)


def test_a_file_that_is_renamed_to_its_own_name_is_where_it_was(tmp_path: Path) -> None:
    steps = 'call("open", "/d", READ); read("read", 3, 4); call("rename", "/d", "/w/../d");'
    result = captured(tmp_path, False, steps, 'read("read", 3, 2)', ["45"])
    assert codes(result) == ["glue-files", "glue-written"]


@BOTH_WAYS
def test_standard_input_is_told_by_whatever_name_it_was_read_and_other_devices_are(tmp_path: Path, given: bool) -> None:
    steps = """
      FS.streams[0].tty.input.push(...Buffer.from("abcdefghi")); FS.createDevice("/dev", "feed", () => 65);
      read("read", call("dup", 0), 1); read("read", call("open", "/dev/stdin", READ), 1);
      read("read", call("open", "/dev/./tty", READ), 1);
      call("chdir", "/dev"); read("read", call("open", "stdin", READ), 1); read("read", call("dup", 6), 1);
      read("read", call("open", "/d", READ), 1); read("read", call("open", "/dev/feed", READ), 4);
      read("read", call("open", "/dev/urandom", READ), 4);
      for (let fd = 3; fd < 11; fd++) call("close", fd);
      call("chdir", "/");
    """
    result = captured(tmp_path, given, steps)
    assert codes(result) == ["entropy-frozen", "stdin-consumed", "stdin-consumed"]
    assert "read 5 bytes of standard input" in told(result)
    assert "read 4 bytes of the device /dev/feed" in told(result)


def test_an_answer_that_differs_for_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    """What is to be done in `resume` can be copied."""
    steps = 'FS.writeFile("/made", "abc"); call("open", "/made", READ); read("read", 3, 1);'
    with pytest.raises(AnswerDiffers) as caught:
        captured(tmp_path, True, steps, 'read("read", 3, 1)', ["b"])
    assert caught.value.hint
    assert "Descriptor 3 (/made) is open at the pause, and not in the output" in caught.value.hint
    opening = caught.value.hint.split("`")[1]
    resume = f'exports.resume = (program) => {{ FS.writeFile("/made", "abc"); {opening}; }};'
    captured(tmp_path, True, steps, 'read("read", 3, 1)', ["b"], resume)


COPIED = 'call("open", "/d", READ); call("dup", 3); read("read", 3, 3); read("read", 4, 5);'


def test_a_copy_has_its_own_position_where_the_glue_opens_the_file_again_for_it(tmp_path: Path) -> None:
    """As that of Emscripten 3.1.6 does. It is there, too, where the descriptor that it was copied from is forgotten."""
    result = captured(tmp_path, True, COPIED, 'read("read", 3, 2), read("read", 4, 2)', ["34", "56"])
    assert "/d (3), /d (4) are open" in told(result)
    result = captured(
        tmp_path, True, COPIED + 'call("open", "/e", READ)', 'read("read", 4, 2)', ["56"],
        forget_fd=[3],
    )  # fmt: skip
    assert codes(result) == ["glue-files"]
    assert "/d (4), /e (5) are open" in told(result)


def test_a_position_that_nothing_tells_is_told_as_unknown(tmp_path: Path) -> None:
    """Calls do not say whether copies share their position."""
    result = captured(tmp_path, False, COPIED)
    assert "nothing tells at which byte descriptor 3 (/d) stands, and the output has it at 0" in told(result)
    assert "glue-positions" in codes(result)


def test_begun_lines_and_closed_streams_can_be_left_out(tmp_path: Path) -> None:
    steps = 'call("close", 0); call("write", 1, "half "); call("write", 2, "half "); call("sync", 2);'
    result = captured(tmp_path, False, steps, forget_fd=[0, 1])
    assert codes(result) == ["glue-output"]  # some glue shows on fsync what it keeps
    assert "standard error (5 bytes: half ): what JavaScript keeps of it until it ends is not in the output" in told(
        result
    )
