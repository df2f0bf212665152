"""The scripts for people: how they are started, and what they say about arguments that don't fit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import SCRIPTS

STARTERS = sorted(path.name for path in SCRIPTS.iterdir() if not path.suffix and path.is_file())


@pytest.mark.skipif(os.name != "posix" or not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("name", STARTERS)
def test_a_script_finds_its_checkout_through_links(tmp_path: Path, name: str) -> None:
    scripts = tmp_path / "checkout" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "setup.sh").write_text('echo "$here"; exit 0\n')
    shutil.copy(SCRIPTS / name, scripts / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "first").symlink_to(scripts / name)
    (tmp_path / "bin" / "second").symlink_to("first")
    for path in (scripts / name, tmp_path / "bin" / "first", tmp_path / "bin" / "second"):
        done = subprocess.run(["bash", path], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == str((tmp_path / "checkout").resolve()), done.stderr


@pytest.mark.parametrize(
    ("script", "argument", "code"),
    [
        ("bench_all", "nosuch", 2),
        ("bench_all", "--help", 0),
        ("figures", "--help", 0),
        ("bench_start", "0", 2),
        ("bench_start", "abc", 2),
        ("bench_start", "--help", 0),
        ("bench_by_hand", "0", 2),
        ("bench_by_hand", "--help", 0),
        ("bench_components", "--rounds=0", 2),
        ("bench_components", "--help", 0),
        ("bench_wizer_tools", "--rounds=0", 2),
        ("bench_wizer_tools", "--help", 0),
        ("check_world", "nosuch", 2),
        ("check_world", "--help", 0),
        ("fetch_real", "nosuch", 2),
        ("fetch_real", "--help", 0),
    ],
)
def test_a_script_says_how_it_is_used(script: str, argument: str, code: int) -> None:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert f"usage: scripts/{script}" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_of_timing_by_hand_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from preinit import build

    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_by_hand

    (tmp_path / "ready.wasm").write_bytes(build(str(bench_by_hand.MODULE)).wasm)
    source = bench_by_hand.example().replace("range(22)", "range(2)")
    assert min(bench_by_hand.by_hand(source, tmp_path / "ready.wasm")) > 0
