"""Spellings that users of wizer know."""

from __future__ import annotations

from pathlib import Path

from preinit.binary.module import parse
from tests.support.command import assert_initialized, fails, run
from tests.support.instances import Running
from tests.support.modules import wasm

ENVIRONMENT = """(module
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "wizer-initialize") (drop (call $get (i32.const 65536) (i32.const 0))) (call $clear))
  (func $clear (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536))))"""


def test_wizer_s_flags_are_accepted(good: Path) -> None:
    plain = run("build", good, code=0).stdout
    flags = ["--allow-wasi", "--inherit-stdio", "--wasm-multi-value=true", "--wasm-bulk-memory", "--wasm-simd=false"]
    assert run("build", *flags, good, code=0).stdout == plain
    assert run("build", "--inherit-stdio=true", "--inherit-env=false", good, code=0).stdout == plain


def test_wizer_s_inherit_env_passes_all_variables_and_env_comes_first() -> None:
    binary = wasm(ENVIRONMENT)
    for flag in ("--inherit-env", "--inherit-env=true"):
        done = run("build", flag, "-", "--env", "GIVEN=1", "--env", "BOTH=ours", stdin=binary, BOTH="theirs", MARK="2")
        assert b"MARK=2" in done.stdout
        assert b"GIVEN=1" in done.stdout
        assert b"BOTH=ours" in done.stdout
        assert b"theirs" not in done.stdout
    assert b"MARK" not in run("build", "--inherit-env=false", "-", stdin=binary, MARK="2", code=0).stdout


FILE = """(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data $file "data.txt")
  (func (export "wizer-initialize")
    (if (call $name (i32.const 3) (i32.const 8) (i32.const 6)) (then unreachable))
    (memory.init $file (i32.const 100) (i32.const 0) (i32.const 8))
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 0)
      (i32.const 0) (i32.const 200)) (then unreachable))))"""


def test_wizer_s_mapdir_names_the_guest_s_folder_first(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("content")
    for option in (["--mapdir", f"/guest::{tmp_path}"], ["--dir", f"{tmp_path}::/guest"]):
        assert b"/guest" in run("build", "-", *option, stdin=wasm(FILE), code=0).stdout


def test_an_optional_value_comes_only_after_an_equals_sign(good: Path) -> None:
    for arguments in (["--keep-init-func", good], [good, "--keep-init-func"], [good, "--keep-init-func=true"]):
        assert "wizer-initialize" in parse(run("build", *arguments, code=0).stdout).exported_names
    assert_initialized(run("build", "--keep-init-func=false", good, code=0).stdout)
    assert "unexpected extra argument" in run("build", "--keep-init-func", "true", good, code=2).stderr.decode()
    assert (
        "is not what `--keep-init-func` takes" in run("build", "--keep-init-func=perhaps", good, code=2).stderr.decode()
    )


def test_a_value_that_looks_like_a_flag_stays_a_value(good: Path) -> None:
    said = fails("build", good, "-f", "--inherit-env")
    assert "exports no function '--inherit-env'" in said
    assert "no-such" in fails("build", "--", "--no-such-file", code=2)


REACTOR = """(module (memory (export "memory") 1) (func (export "_initialize") (call $count (i32.const 1)))
  (func (export "wizer-initialize") (call $count (i32.const 10))) (func (export "mine") (call $count (i32.const 100)))
  (func $count (param i32) (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get 0)))))"""


def test_a_named_initializer_counts_beside_init_none_and_nothing_else_is_run() -> None:
    def left(*arguments: str) -> int:
        done = run("build", "-", *arguments, stdin=wasm(REACTOR), code=0)
        return int.from_bytes(Running(done.stdout).state().memories[0][:4], "little")

    assert left("--init", "none") == left("--no-init-func") == 1
    assert left("--init", "none", "-f", "mine") == left("-f", "mine") == left("-f", "mine", "--init=none") == 101


def test_a_short_option_may_have_an_equals_sign(good: Path, tmp_path: Path) -> None:
    written = run("build", good, "-f", "wizer-initialize", "-r", "go=run", code=0).stdout
    for output in ("a.wasm", "=b.wasm"):
        run("build", good, "-f=wizer-initialize", "-r=go=run", f"-o={output}", cwd=tmp_path, code=0)
        assert (tmp_path / output).read_bytes() == written
    run("build", good, "-qvf=wizer-initialize", "-rgo=run", "-oc.wasm", cwd=tmp_path, code=0)
    assert (tmp_path / "c.wasm").read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir() if path != good) == ["=b.wasm", "a.wasm", "c.wasm"]
    run("verify", good, tmp_path / "a.wasm", "-f=wizer-initialize", "-r=go=run", code=0)
    run("bench", good, tmp_path / "a.wasm", "-f=wizer-initialize", "-e=K=V", "--rounds=5", "--seconds=0.1", code=0)


def test_what_follows_an_option_or_two_dashes_is_no_option(tmp_path: Path) -> None:
    text = REACTOR.replace('"mine"', '"-o=x"')
    done = run("build", "-", "-f", "-o=x", stdin=wasm(text), code=0)
    assert int.from_bytes(Running(done.stdout).state().memories[0][:4], "little") == 101
    (tmp_path / "-o=x").write_text(REACTOR)
    run("build", "-o=out.wasm", "--", "-o=x", cwd=tmp_path, code=0)
    assert fails("build", "-", "-o=", stdin=wasm(REACTOR), code=2).startswith(
        "error[usage]: the file name of `-o` is empty"
    )
