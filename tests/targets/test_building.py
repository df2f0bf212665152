"""`preinit build` with targets: what is built, in which order, what is said, what goes together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from preinit.binary.module import parse
from tests.support.command import COMMAND, GOOD, TRAP, assert_initialized, fails, run
from tests.support.modules import wasm
from tests.support.projects import ENVIRONMENT, TWO, project, said, words
from tests.support.waiting import PATIENCE

#: Whoever reads it fails: a build of one module must not.
BROKEN = "this is = not [ TOML"


# -- what is built -----------------------------------------------------------------------------------------------------


def test_all_targets_are_built_and_then_up_to_date(tmp_path: Path) -> None:
    project(tmp_path)
    text = said(tmp_path)
    assert words(text) == {"first": "built", "second": "built"}
    assert "2 targets: 2 built; " in text
    assert "(there is no output yet)" in text
    run("build", "good.wasm", "-o", "alone.wasm", cwd=tmp_path, code=0)
    assert (tmp_path / "out/first.wasm").read_bytes() == (tmp_path / "alone.wasm").read_bytes()
    assert "wizer-initialize" in parse((tmp_path / "out/second.wasm").read_bytes()).exported_names
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert words(said(tmp_path)) == {"first": "up to date", "second": "up to date"}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_only_targets_that_are_named_are_built_and_what_they_need(tmp_path: Path) -> None:
    chain = '[targets.third]\ninput = "out/second.wasm"\ninit-funcs = ["run"]\noutput = "out/third.wasm"\n'
    project(tmp_path, TWO + chain)
    text = said(tmp_path, "third")
    assert words(text) == {"second": "built", "third": "built"}
    assert text.index("second: built") < text.index("third: built")
    assert not (tmp_path / "out/first.wasm").exists()
    assert words(said(tmp_path, "first", "third", "first")) == {
        "first": "built", "second": "up to date", "third": "up to date",
    }  # fmt: skip


def test_what_reads_an_output_is_only_built_again_if_that_has_other_bytes(tmp_path: Path) -> None:
    chain = '[targets.third]\ninput = "out/second.wasm"\ninit-funcs = ["run"]\noutput = "out/third.wasm"\n'
    project(tmp_path, TWO + chain)
    said(tmp_path)
    text = said(tmp_path, "--force", "second")
    assert "second: built" in text
    assert "(forced)" in text
    project(tmp_path, TWO.replace("keep-init-func = true", "keep-init-func = true\nlayout = 'few'") + chain)
    assert words(said(tmp_path)) == {"first": "up to date", "second": "built", "third": "up to date"}
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD.replace("42", "43")))
    assert words(said(tmp_path)) == {"first": "built", "second": "built", "third": "built"}


def test_the_config_file_is_found_above_or_named_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    inner = project(tmp_path) / "a" / "b"
    inner.mkdir(parents=True)
    assert words(said(inner, "first")) == {"first": "built"}
    assert (tmp_path / "out/first.wasm").exists()
    text = TWO.replace("[defaults]", "[tool.preinit.defaults]").replace("[targets", "[tool.preinit.targets")
    other = project(tmp_path / "other", text, "pyproject.toml")
    assert words(said(inner, "--config", other / "pyproject.toml", "second")) == {"second": "built"}
    assert (other / "out/second.wasm").exists()


def test_a_moved_project_is_up_to_date(tmp_path: Path) -> None:
    (project(tmp_path / "one") / "lib").mkdir()
    (tmp_path / "one/lib/file").write_text("x")
    world = 'dirs = { lib = "/lib" }\nstdin = "lib/file"\n'
    project(tmp_path / "one", TWO.replace('"good.wasm"\n', f'"good.wasm"\n{world}'))
    said(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert words(said(tmp_path / "two")) == {"first": "up to date", "second": "up to date"}


# -- one module, or targets --------------------------------------------------------------------------------------------


def test_a_module_is_built_without_a_look_at_the_config_file(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    for arguments in (["good.wasm", "-o", "out.wasm"], ["./good.wasm"], ["--quiet", "good.wasm"]):
        done = run("build", *arguments, cwd=tmp_path, code=0)
        assert_initialized(done.stdout or (tmp_path / "out.wasm").read_bytes())
    shutil.copy(tmp_path / "good.wasm", tmp_path / "good")
    for arguments in (["good", "-o", "out.wasm"], ["good"], ["-", "--layout", "few"]):
        data = (tmp_path / "good").read_bytes()
        done = run("build", *arguments, cwd=tmp_path, code=0, stdin=data)
        assert_initialized(done.stdout or (tmp_path / "out.wasm").read_bytes())


def test_a_name_that_is_a_file_and_a_target_is_wrong_usage(tmp_path: Path) -> None:
    project(tmp_path, '[targets.good]\ninput = "good.wasm"\noutput = "out.wasm"\n')
    (tmp_path / "good").mkdir()
    assert words(said(tmp_path, "good")) == {"good": "built"}  # a folder is not a module
    (tmp_path / "good").rmdir()
    shutil.copy(tmp_path / "good.wasm", tmp_path / "good")
    text = said(tmp_path, "good", code=2)
    assert "'good' is a file, and also a target" in text
    assert "write ./good" in text
    assert_initialized(run("build", "./good", cwd=tmp_path, code=0).stdout)
    assert_initialized(run("build", "good", "--layout", "size", cwd=tmp_path, code=0).stdout)
    assert words(said(tmp_path, "good", "--config", "preinit.toml")) == {"good": "up to date"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["firts"], "there is no file and no target 'firts'"),
        (["firts", "second"], "there is no target 'firts' in preinit.toml\n  what to do: Write `first`"),
        (["first", "--force", "-o", "x.wasm"], "`--force` is for targets, `--output` for one module"),
        (["--layout", "few", "--jobs", "2"], "`--jobs` is for targets, `--layout` for one module"),
        (["--check", "--audit"], "`--check` is for targets, `--audit` for one module"),
        (["first", "--config", "preinit.toml", "--env", "A=b"], "write the other into the config file"),
        (["--layout", "few"], "missing argument 'IN': '--layout' is for one module\n"),
        (["-o", "x.wasm"], "missing argument 'IN': '--output' is for one module\n"),
        (["first", "-o", "x.wasm"], "preinit.toml, and `--output` is for one module"),
        (["first", "second", "-o", "x.wasm"], "'first' is a target of "),
        (["first", "third", "-o", "x.wasm"], "unexpected extra argument (third)"),
        (["good.wasm", "trap.wasm"], "unexpected extra argument (trap.wasm)"),
        (["good.wasm", "--force"], "there is no target 'good.wasm'"),
        (["--jobs", "0"], "invalid value for '-j' / '--jobs'"),
        (["--check", "--force"], "`--check` writes nothing"),
        (["--check", "--depfile", "x.d"], "`--check` writes nothing"),
        (["--depfile", ""], "the file name of `--depfile` is empty"),
        (["--config", ""], "the file name of `--config` is empty"),
        (["--config", "no-such.toml"], "the file 'no-such.toml' can't be read: No such file"),
        (["--config", "good.wasm"], "error[config]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_wrong_usage_and_nothing_is_built(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    project(tmp_path)
    assert expected in said(tmp_path, *arguments, code=2)
    assert not (tmp_path / "out").exists()


def test_without_a_config_file_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    assert "missing argument 'IN'; and there is no preinit.toml" in said(tmp_path, code=2)
    assert "there is no preinit.toml" in said(tmp_path, "--force", code=2)
    assert "'first' can't be read" in said(tmp_path, "first", code=2)
    (tmp_path / "preinit.toml").write_text("[targets.a]\ninput = 1\n")
    text = said(tmp_path, code=2)
    assert "error[config]: `input` must be a string that is not empty, not 1\n" in text
    assert "where: preinit.toml, line 2, key `targets.a.input`" in text


@pytest.mark.skipif(os.name != "posix", reason="a folder that is in use can't be removed elsewhere")
def test_a_current_folder_that_is_gone_has_no_config_file(tmp_path: Path) -> None:
    command = f'mkdir {tmp_path}/x && cd {tmp_path}/x && rmdir {tmp_path}/x && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", command, "sh", COMMAND[0], "-P", *COMMAND[1:], "build"], capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert b"missing argument 'IN'" in done.stderr


def test_options_that_go_with_targets(tmp_path: Path) -> None:
    (project(tmp_path, TWO + 'env = { K = "V" }\n') / "good.wasm").write_bytes(wasm(ENVIRONMENT))
    assert said(tmp_path, "second", "--quiet", "--no-cache") == ""
    assert words(said(tmp_path, "second")) == {"second": "up to date"}
    text = said(tmp_path, "second", "--strict", "-q", code=1)
    assert "second: failed\n" in text
    assert "error[warnings]" in text
    assert "environment-frozen" in text
    text = said(tmp_path, "second", "--force")
    assert "warning[environment-frozen]: " in text


# -- failures ----------------------------------------------------------------------------------------------------------

SOME_FAIL = """
[targets.trap]
input = "trap.wasm"
output = "trap-ready.wasm"
report = "reports/trap.json"
[targets.after]
input = "trap-ready.wasm"
output = "after.wasm"
[targets.after-that]
input = "after.wasm"
output = "after-that.wasm"
[targets.missing]
input = "no-such.wasm"
output = "missing.wasm"
[targets.variable]
input = "good.wasm"
output = "variable.wasm"
report = "variable.json"
inherit-env = ["NO_SUCH_VARIABLE"]
[targets.fat]
input = "good.wasm"
output = "fat.wasm"
max-size = 10
[targets.folder]
input = "good.wasm"
output = "a-folder"
[targets.fine]
input = "good.wasm"
output = "fine.wasm"
"""


def test_all_failures_are_told_and_the_other_targets_are_built(tmp_path: Path) -> None:
    project(tmp_path, SOME_FAIL)
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "fat.wasm").write_bytes(b"as it was")
    text = said(tmp_path, code=1)
    assert words(text) == {
        "trap": "failed", "after": "failed", "after-that": "failed", "missing": "failed", "variable": "failed",
        "fat": "failed", "folder": "failed", "fine": "built",
    }  # fmt: skip
    assert "8 targets: 1 built, 7 failed; " in text
    assert "after: failed, not built: it needs 'trap'" in text
    assert "after-that: failed, not built: it needs 'after'" in text
    for code in ("trap", "unreadable", "usage", "budget", "output-not-writable"):
        assert f"error[{code}]: " in text
    assert "where: trap.wasm" in text
    assert "divide (function 0)" in text
    assert "where: preinit.toml, line 15, target 'variable'" in text
    assert_initialized((tmp_path / "fine.wasm").read_bytes())
    assert (tmp_path / "fat.wasm").read_bytes() == b"as it was"
    assert json.loads((tmp_path / "reports/trap.json").read_text())["error"]["code"] == "trap"
    assert json.loads((tmp_path / "variable.json").read_text())["error"]["code"] == "usage"
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]
    assert words(said(tmp_path, "fine", "fat", code=1)) == {"fine": "up to date", "fat": "failed"}


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    project(tmp_path, f"[targets.long]\ninput = 'good.wasm'\noutput = '{'x' * 300}'")
    for more in ([], ["--check"]):
        text = said(tmp_path, *more, code=1)
        assert "xxx' can't be " in text
        assert "bug" not in text


def test_a_failure_after_a_success_keeps_the_output_and_is_told_again(tmp_path: Path) -> None:
    project(tmp_path)
    said(tmp_path)
    good = (tmp_path / "out/first.wasm").read_bytes()
    (tmp_path / "good.wasm").write_bytes(wasm(TRAP))
    for _ in range(2):
        assert words(said(tmp_path, "first", code=1)) == {"first": "failed"}
        assert (tmp_path / "out/first.wasm").read_bytes() == good
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    assert words(said(tmp_path, "first")) == {"first": "up to date"}


def test_names_that_a_guest_has_can_not_steer_the_terminal(tmp_path: Path) -> None:
    evil = '(module (import "\\1b[31m" "f" (func $f)) (func (export "wizer-initialize") (call $f)))'
    (project(tmp_path) / "good.wasm").write_bytes(wasm(evil))
    assert "\x1b" not in said(tmp_path, code=1)


# -- verification ------------------------------------------------------------------------------------------------------

VERIFIED = TWO.replace("keep-init-func = true", 'verify = { calls = ["run"] }').replace(
    'first.wasm"', 'first.wasm"\nverify = true'
)


def test_targets_are_verified_where_the_file_says_so(tmp_path: Path) -> None:
    text = said(project(tmp_path, VERIFIED))
    assert words(text) == {"first": "built", "second": "built"}
    assert text.count("bytes out, verified, ") == 2
    project(tmp_path, VERIFIED.replace('"run"', '"run", "no-such"'))
    text = said(tmp_path, code=1)
    assert words(text) == {"first": "up to date", "second": "failed"}
    assert "no-such" in text
    project(tmp_path, VERIFIED.replace("verify = true", "verify = false"))
    assert "(the options changed)" in said(tmp_path, "first")


def test_an_output_that_is_not_what_the_input_is_is_not_written(tmp_path: Path) -> None:
    # What random numbers leave differs in each run, so that no second run can confirm the first one.
    text = """(module (import "wasi_snapshot_preview1" "random_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "wizer-initialize") (drop (call $get (i32.const 0) (i32.const 64)))))"""
    project(tmp_path, TWO + 'verify = true\nrandom = "host"\nreport = "report.json"\n')
    (tmp_path / "good.wasm").write_bytes(wasm(text))
    text = said(tmp_path, "second", code=1)
    assert "error[mismatch]" in text
    assert json.loads((tmp_path / "report.json").read_text())["error"]["code"] == "mismatch"
    assert not (tmp_path / "out").exists()


# -- the schema --------------------------------------------------------------------------------------------------------


def test_the_schema_is_printed() -> None:
    found = json.loads(run("schema", code=0).stdout)
    assert "max-size" in found["properties"]["targets"]["additionalProperties"]["properties"]
    assert "Examples:" in run("schema", "--help", code=0).stdout.decode()


def test_help_tells_of_targets() -> None:
    text = run("build", "--help", code=0).stdout.decode()
    for word in ("--config", "--jobs", "--check", "--depfile", "--force", "preinit.toml", "--max-size"):
        assert word in text
    assert fails("build", "--jobs", "x", code=2)
