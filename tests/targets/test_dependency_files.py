"""Dependency files, and the tools that read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.projects import project, said
from tests.support.waiting import PATIENCE

AWKWARD = """
[targets.a]
input = "good.wasm"
output = "out put#1$x.wasm"
dirs = { "lib" = "/lib" }
[targets.b]
input = "out put#1$x.wasm"
init-funcs = ["run"]
output = "b.wasm"
"""


def awkward(folder: Path) -> Path:
    (project(folder, AWKWARD) / "lib/sub dir").mkdir(parents=True)
    (folder / "lib/sub dir/a file").write_text("x")
    (folder / "lib/we#ird$.txt").write_text("x")
    (folder / "lib/co:lon").write_text("x")
    return folder


def test_a_dependency_file_lists_all_that_is_read_and_escapes_names(tmp_path: Path) -> None:
    awkward(tmp_path)
    said(tmp_path, "--depfile", "x.d")
    text = (tmp_path / "x.d").read_text().replace("\\\n", "")
    read = r"preinit.toml   good.wasm   lib/co\:lon   lib/sub\ dir/a\ file   lib/we\#ird$$.txt"
    assert text.splitlines()[:2] == [rf"out\ put\#1$$x.wasm: {read}", f"b.wasm: preinit.toml   {read[15:]}"]
    assert text.splitlines()[2:] == [f"{name}:" for name in read.split("   ")]
    said(tmp_path, "--depfile", "-" if os.name == "nt" else "/dev/null")


@pytest.mark.parametrize(
    "name", ["good.wasm", "preinit.toml", "out/../out/first.wasm", "out/.first.wasm.preinit-state"]
)
def test_a_dependency_file_overwrites_nothing_that_targets_need(tmp_path: Path, name: str) -> None:
    project(tmp_path)
    said(tmp_path)
    before = (tmp_path / name).read_bytes()
    assert "`--depfile` would overwrite" in said(tmp_path, "second", "--depfile", name, code=2)
    assert (tmp_path / name).read_bytes() == before


def test_a_name_that_no_dependency_file_can_hold_is_told(tmp_path: Path) -> None:
    awkward(tmp_path)
    (tmp_path / "lib/new\nline").write_text("x")
    assert "a dependency file can't hold the name 'lib/new\\nline'" in said(tmp_path, "--depfile", "x.d", code=1)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_builds_when_something_changed_or_is_gone(tmp_path: Path) -> None:
    awkward(tmp_path)
    said(tmp_path, "--depfile", "x.d")
    (tmp_path / "Makefile").write_text("b.wasm:\n\ttouch b.wasm\n\techo rebuilt\n-include x.d\n")

    def make() -> str:
        done = subprocess.run(["make", "b.wasm"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "up to date" in make()
    for name in ("good.wasm", "lib/sub dir/a file", "lib/we#ird$.txt", "lib/co:lon", "preinit.toml"):
        later = (tmp_path / "b.wasm").stat().st_mtime + 5
        os.utime(tmp_path / name, (later, later))
        assert "rebuilt" in make(), name
        os.utime(tmp_path / name, (1, 1))
        assert "up to date" in make(), name
    (tmp_path / "lib/we#ird$.txt").unlink()
    assert "rebuilt" in make()


@pytest.mark.skipif(not shutil.which("ninja"), reason="ninja is not installed")
def test_ninja_builds_when_something_changed(tmp_path: Path) -> None:
    awkward(tmp_path)
    said(tmp_path, "--depfile", "x.d")
    (tmp_path / "build.ninja").write_text(
        "rule r\n  command = touch b.wasm 'out put#1$$x.wasm'\n  depfile = x.d\nbuild out$ put#1$$x.wasm b.wasm: r\n"
    )

    def ninja() -> str:
        done = subprocess.run(
            ["ninja", "-d", "explain"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ninja()
    assert "no work to do" in ninja()
    for name in ("good.wasm", "lib/sub dir/a file", "lib/we#ird$.txt", "lib/co:lon"):
        later = (tmp_path / "b.wasm").stat().st_mtime + 5
        os.utime(tmp_path / name, (later, later))
        assert "no work to do" not in ninja(), name
        os.utime(tmp_path / name, (1, 1))
        assert "no work to do" in ninja(), name
