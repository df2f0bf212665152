"""Targets are built by processes: none is left over, none can take others with it, two commands can run at once."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import COMMAND, GOOD, assert_initialized
from tests.support.modules import wasm
from tests.support.processes import children, gone
from tests.support.projects import TWO, project, said, words
from tests.support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")

LOOPS = """
[targets.fine]
input = "good.wasm"
output = "fine.wasm"
[targets.loop]
input = "loop.wasm"
output = "loop-ready.wasm"
dirs = { seen = "/" }
writable = true
[targets.loop-too]
input = "loop.wasm"
output = "loop-too.wasm"
report = "loop-too.json"
dirs = { seen-too = "/" }
writable = true
"""

#: Says that it is ready, makes the file `seen`, and never ends.
LOOP = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\06\\00\\00\\00ready\\nseen")
  (func (export "wizer-initialize")
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 0)))
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 22) (i32.const 4) (i32.const 1)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0)))
    (loop (br 0))))"""


def looping(folder: Path) -> Path:
    """A project with two guests that never end."""
    project(folder, LOOPS)
    (folder / "loop.wasm").write_bytes(wasm(LOOP))
    for name in ("seen", "seen-too"):
        (folder / name).mkdir()
    return folder


def started(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A command with two guests that never end, when one target is done and both loop."""
    looping(folder)
    (folder / "loop-too.json").write_text("of an earlier build")
    process = subprocess.Popen(
        [*COMMAND, "build", "--jobs", "3", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )
    try:
        wait_for(lambda: (folder / "fine.wasm").exists() and len(children(process.pid)) == 2)
        wait_for(lambda: (folder / "seen/seen").exists() and (folder / "seen-too/seen").exists())
    except BaseException:
        process.kill()  # its processes end with it
        raise
    return process, children(process.pid)


def assert_clean(folder: Path, working: list[int]) -> None:
    for pid in working:
        wait_for(lambda pid=pid: gone(pid))  # type: ignore[misc]
    assert {path.name for path in folder.iterdir()} <= {
        "preinit.toml", "good.wasm", "trap.wasm", "loop.wasm", "fine.wasm", ".fine.wasm.preinit-state",
        "loop-too.json", "seen", "seen-too",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["--quiet"]], ids=" ".join)
def test_control_c_ends_all_processes_and_leaves_nothing_half_written(tmp_path: Path, arguments: list[str]) -> None:
    process, working = started(tmp_path, *arguments)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"error[interrupted]: interrupted; 1 target built before" in text
    assert b"Traceback" not in text
    assert all(map(gone, working))
    assert_clean(tmp_path, working)
    assert (tmp_path / "loop-too.json").read_text() == "of an earlier build"
    assert_initialized((tmp_path / "fine.wasm").read_bytes())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_processes_end_when_the_command_is_killed(tmp_path: Path, number: int) -> None:
    process, working = started(tmp_path)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert_clean(tmp_path, working)


def test_a_process_that_dies_is_a_failure_of_its_target_only(tmp_path: Path) -> None:
    process, working = started(tmp_path)
    for pid in working:
        os.kill(pid, signal.SIGKILL)
    _, text = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert words(text.decode()) == {"fine": "built", "loop": "failed", "loop-too": "failed"}
    assert b"error[crashed]: the process that built it ended with signal 9: ready" in text
    assert_clean(tmp_path, working)


def test_a_time_limit_ends_one_target(tmp_path: Path) -> None:
    looping(tmp_path)
    (tmp_path / "preinit.toml").write_text(LOOPS.replace("[targets.loop]", "[targets.loop]\ntimeout = 0.5"))
    text = said(tmp_path, "fine", "loop", code=1)
    assert words(text) == {"fine": "built", "loop": "failed"}
    assert "error[time-limit]" in text


def test_commands_that_run_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    project(tmp_path)
    alone = project(tmp_path / "alone")
    said(alone)
    for turn in range(2):
        if turn:
            (tmp_path / "out/first.wasm").unlink()
        commands = [
            subprocess.Popen([*COMMAND, "build", "--force"], cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(2)
        ]
        for command in commands:
            _, text = command.communicate(timeout=PATIENCE)
            assert command.returncode == 0, text
        for name in ("first.wasm", "second.wasm"):
            assert (tmp_path / "out" / name).read_bytes() == (alone / "out" / name).read_bytes()
        assert words(said(tmp_path)) == {"first": "up to date", "second": "up to date"}
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_folder_with_modules_of_our_names_does_not_shadow_ours(tmp_path: Path) -> None:
    project(tmp_path)
    for name in ("preinit.py", "click.py", "json.py", "wasmtime.py"):
        (tmp_path / name).write_text("raise SystemExit('shadowed')")
    done = subprocess.run(
        [COMMAND[0], "-P", "-m", "preinit", "build"], cwd=tmp_path, capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert b"2 built" in done.stderr


def test_targets_are_built_one_after_the_other_with_one_job(tmp_path: Path) -> None:
    more = "".join(f"[targets.t{n}]\noutput = 'out/{n}.wasm'\n" for n in range(4))
    text = said(project(tmp_path, TWO + more), "--jobs", "1")
    assert list(words(text)) == ["first", "second", "t0", "t1", "t2", "t3"]
    assert (tmp_path / "good.wasm").read_bytes() == wasm(GOOD)
