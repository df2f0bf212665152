"""How scripts end: each end that is no pause is named as what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import preinit
from preinit.errors import ScriptFailed, ToolMissing
from tests.support.glue import LOAD, SCRIPT, captured, codes, in_glue, needs_node, project

pytestmark = needs_node

BARE = 'import { start } from "./glue.mjs";\nconst p = await start(); p.add(40);\n'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (BARE + "await new Promise(() => {});",
         "^the script ended while it was imported: a top-level `await` never comes to its end"),
        (LOAD + "export const prepare = () => 0; await new Promise(() => {});", "a top-level `await` never comes to its"),
        (BARE + "setTimeout(() => { throw new Error('later'); });", "^the script failed after it was imported: Error: later"),
        (BARE + "setTimeout(() => Promise.reject(new Error('lost')));", "failed after it was imported: Error: lost"),
        (BARE + "setTimeout(() => process.exit(3));", r"ended after it was imported: process.exit\(\) was called, with code 3"),
        (BARE + "process.exit(3);", r"ended while it was imported: process.exit\(\) was called, with code 3"),
        (LOAD.replace("start()", "process.exit(0)"), r"ended in load\(\), which .* process.exit\(\) was called, with code 0"),
        (LOAD + "export const prepare = async () => { Promise.reject(new Error('lost')); await new Promise(setImmediate); };",
         r"failed in prepare\(\): Error: lost"),
        (LOAD + "export const prepare = () => { Promise.reject(new Error('lost')); };", r"failed in prepare\(\): Error: lost"),
    ],
)  # fmt: skip
def test_an_end_that_is_no_pause_is_named(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(ScriptFailed, match=said):
        captured(tmp_path, script)


def test_promises_that_nobody_awaits_go_on_before_the_pause_and_other_work_is_told(tmp_path: Path) -> None:
    begins = "(async () => { for (let i = 0; i < 50; i++) await null; p.add(40); })()"
    script = LOAD + f"export const prepare = (p) => {{ {begins}; }}; export const answer = (p) => p.add(2);"
    result = captured(tmp_path, script)
    assert codes(result) == []
    assert in_glue(tmp_path, result, "console.log((await start()).add(2))") == 42
    reads = 'import { promises } from "node:fs";\n' + script.replace(
        begins, "promises.readFile(new URL(import.meta.url))"
    )
    (warning,) = captured(tmp_path, reads).report.warnings
    assert "FSReqPromise" in warning.message
    assert "await what it began" in warning.hint


def test_what_the_glue_catches_by_itself_ends_nothing(tmp_path: Path, usual: preinit.Result) -> None:
    """Emscripten's does so with what ends main, `unwind`."""
    script = SCRIPT.replace("p.add(40);", "p.add(40); return thrown();").replace("=> { p.add", "=> { p.add")
    script += """
process.on("uncaughtException", (problem) => { if (problem !== "unwind") throw problem; });
const thrown = () => new Promise((resolve) => setTimeout(() => { setTimeout(resolve); throw "unwind"; }));
"""
    assert captured(tmp_path, script).wasm == usual.wasm


@pytest.mark.parametrize(
    "more",
    [
        "JSON.stringify = () => 'other'; fs.writeFileSync = fs.renameSync = fs.openSync = () => 0;",
        "process.exitCode = 7; process.chdir('/'); delete process.env.PREINIT_JOB;",
    ],
)
def test_what_a_script_changes_in_node_does_not_change_what_is_captured(
    tmp_path: Path, usual: preinit.Result, more: str
) -> None:
    script = SCRIPT.replace("p.add(40);", f"p.add(40); {more}")
    assert captured(tmp_path, 'import fs from "node:fs";\n' + script).wasm == usual.wasm


def test_a_program_that_does_not_let_itself_be_looked_at_is_captured(tmp_path: Path, usual: preinit.Result) -> None:
    shy = "new Proxy(p, { getOwnPropertyDescriptor() { throw new Error('shy'); } })"
    assert captured(tmp_path, SCRIPT.replace("start();", f"start().then((p) => {shy});")).wasm == usual.wasm


CATCHES = """
export const prepare = (p) => { p.add(40); try { preinit.pause(); } catch {} finally { p.add(1000); } };
"""


def test_nothing_behind_a_pause_counts_also_where_what_it_throws_is_caught(tmp_path: Path) -> None:
    result = captured(tmp_path, LOAD + CATCHES + "export const answer = (p) => p.add(2);")
    assert result.report.capture is not None
    assert result.report.capture.answered
    assert in_glue(tmp_path, result, "console.log((await start()).add(2))") == 42
    with pytest.raises(ScriptFailed, match=r"prepare\(\) went on after preinit.pause\(\)") as caught:
        captured(tmp_path, LOAD + CATCHES + "export const answer = async (p) => p.add(2);")
    assert "let a `catch` around it throw again" in (caught.value.hint or "")


@pytest.mark.parametrize("answers", ["(p) => p.add(2)", "async (p) => p.add(2)"])
@pytest.mark.parametrize(
    "pauses", ["preinit.pause();", "setTimeout(() => preinit.pause()); await new Promise(() => {});"]
)
def test_a_pause_in_the_middle_is_proven_by_an_answer_of_either_kind(tmp_path: Path, answers: str, pauses: str) -> None:
    script = LOAD + f"export const prepare = async (p) => {{ p.add(40); {pauses} p.add(1000); }};"
    result = captured(tmp_path, f"{script} export const answer = {answers};")
    assert result.report.capture is not None
    assert result.report.capture.answered


def test_an_answer_that_fails_at_a_pause_is_named_as_that(tmp_path: Path) -> None:
    script = (
        LOAD + "export const prepare = (p) => preinit.pause(); export const answer = () => { throw new Error('no'); };"
    )
    with pytest.raises(ScriptFailed, match=r"failed in answer\(\): Error: no"):
        captured(tmp_path, script)


# -- Node itself -------------------------------------------------------------------------------------------------------


def test_options_of_node_in_the_environment_that_it_refuses_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project(tmp_path)
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    with pytest.raises(ToolMissing, match="NODE_OPTIONS says, '--no-such-option'") as caught:
        preinit.capture(tmp_path / "app.wasm", place)
    assert "env -u NODE_OPTIONS" in (caught.value.hint or "")
    monkeypatch.setenv("NODE_OPTIONS", "--require ./nowhere.js")
    said = "before the script began; .*NODE_OPTIONS has it do more: '--require ./nowhere.js'\n    Error: Cannot find module"
    with pytest.raises(ScriptFailed, match=said):
        preinit.capture(tmp_path / "app.wasm", place, quiet_guest=True)


def test_a_folder_and_a_file_that_are_no_program_are_told_from_a_path_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    with pytest.raises(ToolMissing, match="is a folder, and no program") as caught:
        captured(tmp_path, node=folder)
    assert caught.value.hint == "Give the path of the program itself."
    (folder / "node").write_text("#!/bin/sh\n")
    with pytest.raises(ToolMissing, match="can't be run: it is no program"):
        captured(tmp_path, node=folder / "node")
    (folder / "node").chmod(0o755)
    with pytest.raises(ToolMissing) as caught:
        captured(tmp_path, node=folder)
    assert caught.value.hint == f'The program is in it: `node="{folder / "node"}"`.'
