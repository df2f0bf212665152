"""`preinit verify` and `preinit build --verify` as users run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import GOOD, TRAP, fails, run
from tests.support.modules import wasm

PROGRAM = """(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1) (global $ready (mut i32) (i32.const 0))
    (data (i32.const 8) "\\20\\00\\00\\00\\08\\00\\00\\00")
    (func (export "wizer-initialize") (global.set $ready (i32.const 1)))
    (func (export "_start") (unreachable))
    (func (export "resume") (if (i32.eqz (global.get $ready)) (then (unreachable)))
        (drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 0)))
        (i32.store (i32.const 12) (i32.load (i32.const 0)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
        (drop (call $args (i32.const 0) (i32.const 4))) (call $exit (i32.load (i32.const 0)))))"""


@pytest.fixture
def built(good: Path, tmp_path: Path) -> Path:
    """The output of `good`."""
    path = tmp_path / "ready.wasm"
    run("build", good, "-q", "-o", path, "--report", tmp_path / "report.json", code=0)
    return path


def damaged(path: Path) -> Path:
    """A copy of the output of `good` in which a byte of memory is another one."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"\x2a")] = 0x2B
    other = path.with_name("damaged.wasm")
    other.write_bytes(data)
    return other


def test_it_says_what_was_compared(good: Path, built: Path) -> None:
    done = run("verify", good, built, "--call", "run", code=0)
    said = done.stdout.decode().splitlines()
    assert said[0] == "the output is what the input is after wizer-initialize"
    assert said[1] == "compared: 1 memory (65,536 bytes), 2 exports, 2 functions (13 bytes)"
    assert said[2] == "1 call, none of which differs: 1 returned"
    assert done.stderr == b""
    assert run("verify", good, built, "-q", code=0).stdout == b""


def test_the_facts_as_json(good: Path, built: Path) -> None:
    facts = json.loads(run("verify", good, built, "--call-all", "--json", code=0).stdout)
    assert (facts["version"], facts["same"], facts["runs"]) == (1, True, ["wizer-initialize"])
    assert facts["calls"] == [{"call": "run", "outcome": "returned", "detail": "returns"}]


def test_a_mismatch_is_named_with_both_values(good: Path, built: Path) -> None:
    said = fails("verify", good, damaged(built))
    assert said.startswith("error[mismatch]: the output is not what the input is after its initializer\n")
    assert "  where: memory 0, 0x10 to 0x11\n  the input has: 2a\n  the output has: 2b\n  what to do: " in said


def test_a_mismatch_as_json(good: Path, built: Path) -> None:
    done = run("verify", good, damaged(built), "--json", code=1)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "mismatch"
    assert error["differences"] == [
        {"kind": "memory", "place": "memory 0, 0x10 to 0x11", "expected": "2a", "found": "2b"}
    ]


def test_a_report_says_the_options(good: Path, tmp_path: Path) -> None:
    out, report, folder = tmp_path / "out.wasm", tmp_path / "report.json", tmp_path / "folder"
    folder.mkdir()
    library = tmp_path / "l.wat"
    library.write_text('(module (func (export "f")))')
    given = ["--keep-init-func=noop", "-r", "go=run", "--env", "A=1", "--arg", "x", "--dir", f"{folder}::/d"]
    given += ["--preload", f"l={library}", "--random", "seed:5", "--layout", "size", "--stub", "a.b=zero"]
    source = tmp_path / "source.wat"
    source.write_text(GOOD.replace("(module", '(module (import "a" "b" (func)) (import "l" "f" (func))', 1))
    run("build", source, "-q", "-o", out, "--report", report, *given, code=0)
    assert "export 'wizer-initialize'" in fails("verify", source, out)
    assert "what to do: Give them again: --env A=VALUE" in fails("verify", source, out, "--from-report", report, code=2)
    run("verify", source, out, "--from-report", report, "--env", "A=1", code=0)
    said = fails("verify", source, out, "--from-report", report, "--env", "A=1", "--keep-init-func=false")
    assert "export 'wizer-initialize'" in said


def test_a_command_is_run_in_both(tmp_path: Path) -> None:
    source, out, stdin = tmp_path / "in.wasm", tmp_path / "out.wasm", tmp_path / "stdin"
    source.write_bytes(wasm(PROGRAM))
    stdin.write_bytes(b"hello\n")
    run("build", source, "-q", "-o", out, "-r", "_start=resume", code=0)
    given = ["--run", "--run-arg", "tool", "--run-arg", "x", "--run-stdin", stdin, "--json"]
    facts = json.loads(run("verify", source, out, "-r", "_start=resume", *given, code=0).stdout)
    assert facts["calls"] == [{"call": "_start", "outcome": "exit", "detail": "exits with 2"}]


def test_each_call_is_made_once_for_each_input(tmp_path: Path) -> None:
    source, out = tmp_path / "in.wasm", tmp_path / "out.wasm"
    source.write_bytes(wasm(PROGRAM))
    inputs = [tmp_path / "empty", tmp_path / "line"]
    inputs[0].write_bytes(b"")
    inputs[1].write_bytes(b"hello\n")
    run("build", source, "-q", "-o", out, "-r", "_start=resume", code=0)
    given = ["--run", "--run-stdin", inputs[0], "--run-stdin", inputs[1], "--json"]
    facts = json.loads(run("verify", source, out, "-r", "_start=resume", *given, code=0).stdout)
    assert [call["call"] for call in facts["calls"]] == ["_start, input 1 of 2", "_start, input 2 of 2"]


def test_the_guest_prints_nothing_while_it_is_verified(tmp_path: Path) -> None:
    source, out = tmp_path / "in.wasm", tmp_path / "out.wasm"
    source.write_bytes(wasm(PROGRAM))
    run("build", source, "-q", "-o", out, "-r", "_start=resume", code=0)
    done = run("verify", source, out, "-r", "_start=resume", "--run", "-q", code=0)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--call", "none"], 1, "error[unknown-export]"),
        (["--call", "none"], 1, "where: the output OUT\n"),
        (["--call", "run(1)"], 1, "error[misfit]: the function takes 0 arguments, 1 was given"),
        (["--call", "run(1)"], 1, "where: the output OUT, export 'run'"),
        (["--run"], 1, "exports no function '_start'"),
        (["--run-arg", "x"], 2, "nothing is called"),
        (["--from-report", "/nowhere/report.json"], 2, "No such file"),
        (["--call-timeout", "0"], 2, "more than 0"),
        (["-f", "none"], 1, "the module exports no function 'none'"),
        (["--stdin", "-", "--run-stdin", "-"], 2, "only one of the files"),
    ],
)
def test_wrong_arguments(good: Path, built: Path, arguments: list[str], code: int, said: str) -> None:
    assert said.replace("OUT", str(built)) in fails("verify", good, built, *arguments, code=code)


def test_files_are_named_where_they_are_wrong(good: Path, built: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.wat"
    trap.write_text(TRAP)
    short = tmp_path / "short.wasm"
    short.write_bytes(built.read_bytes()[:40])
    assert f"where: the output {short}" in fails("verify", good, short)
    assert "can't be read" in fails("verify", good, tmp_path / "none.wasm", code=2)
    assert "seem to be swapped" in fails("verify", built, good, code=2)


def test_one_of_the_files_may_come_from_standard_input(good: Path, built: Path) -> None:
    run("verify", good, "-", "-q", stdin=built.read_bytes(), code=0)
    run("verify", "-", built, "-q", stdin=good.read_bytes(), code=0)
    assert "only one of the files" in fails("verify", "-", "-", code=2)


def test_a_build_can_verify_at_once(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    done = run("build", good, "--verify", "-o", out, code=0)
    assert b"the output is what the input is after wizer-initialize" in done.stderr
    assert out.exists()


def test_a_build_that_can_not_be_repeated_writes_nothing(tmp_path: Path) -> None:
    source, out = tmp_path / "in.wat", tmp_path / "out.wasm"
    out.write_bytes(b"as it was")
    source.write_text("""(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "wizer-initialize") (drop (call $random (i32.const 0) (i32.const 16)))))""")
    said = fails("build", source, "--verify", "--random", "host", "-o", out)
    assert said.startswith("error[mismatch]")
    assert "build without them" in said
    assert out.read_bytes() == b"as it was"
    run("build", source, "--verify", "--random", "seed:3", "-q", "-o", out, code=0)


def test_a_build_whose_folders_may_be_written_is_not_verified(good: Path, tmp_path: Path) -> None:
    said = fails("build", good, "--verify", "--dir", tmp_path, "--writable", "-o", tmp_path / "o.wasm", code=2)
    assert "may write files" in said


def test_its_help_has_examples() -> None:
    said = run("verify", "--help", code=0).stdout.decode()
    assert "preinit verify engine.wasm ready.wasm --from-report report.json" in said
    assert "--call-all" in said
