"""`preinit capture` as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

import preinit
from preinit.cli.group import COMMANDS
from tests.support.command import COMMAND, fails, run
from tests.support.glue import GLUE, LOAD, SCRIPT, needs_node, project
from tests.support.places import PACKAGE, ROOT
from tests.support.processes import gone
from tests.support.waiting import PATIENCE, wait_for

pytestmark = needs_node


class Made(NamedTuple):
    folder: Path
    done: subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What the command makes of the usual program, with its report and its page."""
    folder = tmp_path_factory.mktemp("made")
    project(folder)
    more = ["-o", "ready.wasm", "--report", "report.json", "--html", "page.html"]
    return Made(folder, run("capture", "app.wasm", "prepare.mjs", *more, cwd=folder, code=0))


def test_the_command_writes_what_the_library_does_and_says_what_it_did(made: Made, usual: preinit.Result) -> None:
    assert (made.folder / "ready.wasm").read_bytes() == usual.wasm
    said = made.done.stderr.decode()
    for line in (
        "ran prepare.mjs in Node ",
        "does not run again: __wasm_call_ctors; 1 import call is made again",
        "loaded by its own glue: all is as it was captured",
        "input and output give the same answer",
        "to the first answer: ",
        "compiling takes ",
        "not in the output: what only JavaScript holds (",
    ):
        assert line in said
    assert made.done.stdout == b""
    report = preinit.Report.from_json((made.folder / "report.json").read_bytes())
    assert report.capture is not None
    assert report.capture.stand_ins == (usual.report.capture and usual.report.capture.stand_ins)


def test_the_module_may_go_to_standard_output_and_what_the_script_prints_to_standard_error(tmp_path: Path) -> None:
    project(tmp_path, SCRIPT.replace("p.add(40);", "p.add(40); console.log('told');"))
    done = run("capture", "app.wasm", "prepare.mjs", cwd=tmp_path, code=0)
    assert done.stdout.startswith(b"\0asm")
    assert b"told\n" in done.stderr
    quiet = run("capture", "app.wasm", "prepare.mjs", "--quiet-guest", "-q", cwd=tmp_path, code=0)
    assert quiet.stdout == done.stdout
    assert quiet.stderr == b""


def test_no_gain_is_said_plainly(tmp_path: Path) -> None:
    """Preparing takes no time, and resuming much."""
    script = LOAD + "export const resume = () => { const end = process.hrtime.bigint; for (let i = 0; i < 3e8; i++); };"
    project(tmp_path, script + "export const prepare = () => 0; export const answer = () => 1;")
    done = run("capture", "app.wasm", "prepare.mjs", "-o", "ready.wasm", cwd=tmp_path, code=0)
    assert b"(no gain)" in done.stderr


def test_every_option_of_the_glue_is_taken(tmp_path: Path) -> None:
    booting = GLUE.replace("return { things", "instance.exports.boot();\n  return { things")
    script = SCRIPT.replace("p.add(40)", "p.add(Number(process.argv[2]))").replace(", p.things]", ", p.booted()]")
    project(tmp_path, script, glue=booting)
    done = run(
        "capture", "app.wasm", "prepare.mjs", "-o", "ready.wasm", "--once", "boot", "--drop", "_embind_register_thing",
        "--node", "node", "--layout", "few", "--clock", "epoch:5", "--random", "seed:3", "--timeout", "100", "--strict",
        "--", "40", cwd=tmp_path, code=0,
    )  # fmt: skip
    assert b"does not run again: __wasm_call_ctors, boot\n" in done.stderr


def test_a_failure_names_the_file_and_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    project(tmp_path, LOAD + "export const prepare = () => { throw new Error('no such word'); };")
    (tmp_path / "ready.wasm").write_bytes(b"old")
    said = fails("capture", tmp_path / "app.wasm", tmp_path / "prepare.mjs", "-o", tmp_path / "ready.wasm")
    assert "error[script-failed]: the script failed in prepare(): Error: no such word" in said
    assert "where: 'prepare.mjs'" in said
    assert (tmp_path / "ready.wasm").read_bytes() == b"old"
    run("capture", "app.wasm", "prepare.mjs", "-o", "app.wasm", cwd=tmp_path, code=2)
    run("capture", "app.wasm", "prepare.mjs", "-o", "prepare.mjs", cwd=tmp_path, code=2)


def test_a_failure_is_reported_as_json(tmp_path: Path) -> None:
    project(tmp_path, "console.log('nothing');")
    run("capture", "app.wasm", "prepare.mjs", "-o", "ready.wasm", "--report", "report.json", cwd=tmp_path, code=1)
    assert json.loads((tmp_path / "report.json").read_text())["error"]["code"] == "capture-refused"


def test_verify_refuses_the_report_of_a_capture(made: Made) -> None:
    """The initializer that it would run is not there: the program's own glue ran it."""
    folder = made.folder
    said = fails("verify", folder / "app.wasm", folder / "ready.wasm", "--from-report", folder / "report.json")
    assert "of a capture" in said


def test_javascript_that_holds_its_module_is_told_what_to_do(tmp_path: Path) -> None:
    project(tmp_path)
    said = fails("capture", tmp_path / "glue.mjs", tmp_path / "prepare.mjs", "-o", tmp_path / "ready.wasm")
    assert "SINGLE_FILE" in said


def test_a_page_shows_what_the_glue_does_again(made: Made) -> None:
    page = (made.folder / "page.html").read_text()
    for said in ("In its own glue", "prepare.mjs", "__wasm_call_ctors", "by its name", "What loading wrote"):
        assert said in page
    assert "changed by the script" in page
    for of_a_build in ("initializer", "guest", "was built", "not asked for"):
        assert of_a_build not in page


def test_the_scripts_for_node_are_part_of_the_package() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["preinit"]
    packed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert packed >= set(PACKAGE.rglob("*.mjs"))


def test_the_command_is_listed() -> None:
    assert "capture" in COMMANDS


@pytest.mark.skipif(os.name != "posix", reason="no signals that end a process")
@pytest.mark.parametrize(("name", "code", "says"), [("SIGHUP", 129, b"ended by SIGHUP"), ("SIGKILL", -9, b"")])
def test_what_ends_preinit_ends_node_too(tmp_path: Path, name: str, code: int, says: bytes) -> None:
    """A closed terminal, or what no code can catch; the script of which Node runs never comes back to look. Nor do
    temporary files stay."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    started = tmp_path / "pid"
    script = f"import fs from 'node:fs'; fs.writeFileSync({str(tmp_path / 'new')!r}, String(process.pid)); fs.renameSync({str(tmp_path / 'new')!r}, {str(started)!r});"
    project(tmp_path, script + "for (;;);")
    command = [*COMMAND, "capture", "app.wasm", "prepare.mjs", "-o", "ready.wasm"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environment)
    try:
        wait_for(started.exists)
        assert list(temporary.iterdir())
        process.send_signal(getattr(signal, name))
        said = process.communicate(timeout=PATIENCE)[1]
        number = int(started.read_text())
        wait_for(lambda: gone(number) and not list(temporary.iterdir()))
    finally:
        process.kill()
        if started.exists() and not gone(int(started.read_text())):
            os.kill(int(started.read_text()), signal.SIGKILL)
    assert process.returncode == code
    assert says in said


@pytest.mark.parametrize(
    ("more", "hint"),
    [("ready.wasm", "Name the output with -o ready.wasm."), ("41", "stands behind `--`: put -- before 41.")],
)
def test_an_argument_that_does_not_stand_behind_two_dashes_is_refused(tmp_path: Path, more: str, hint: str) -> None:
    project(tmp_path)
    said = fails("capture", "app.wasm", "prepare.mjs", more, "-o", "out.wasm", cwd=tmp_path, code=2)
    assert f"there is one argument too many: '{more}'" in said
    assert hint in said
    assert not (tmp_path / "out.wasm").exists()
