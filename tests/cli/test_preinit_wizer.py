"""`preinit-wizer`: what wizer 11.0.3 and `wasmtime wizer` 49 take, refuse, write and exit with."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from preinit import Options
from preinit.binary.module import parse
from preinit.cli import smaller
from preinit.cli.smaller import build_smaller
from preinit.passes.observer import Observer
from tests.support import command
from tests.support.instances import Running
from tests.support.modules import UNUSABLE, wasm
from tests.support.places import ROOT
from tests.support.waiting import PATIENCE

TEXT = """(module (memory (export "memory") 1)
  (func (export "wizer-initialize") (i32.store (i32.const 100) (i32.const 42)))
  (func (export "trap") unreachable) (func (export "args") (param i32))
  (func (export "get") (result i32) (i32.load (i32.const 100)))
  (func (export "a") (result i32) (i32.const 1)) (func (export "b") (result i32) (i32.const 2)))"""

WASI = "wasi_snapshot_preview1"
#: Prints what it reads from standard input, its environment and the name of its first folder.
ECHO = f"""(module (import "{WASI}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "{WASI}" "fd_prestat_dir_name" (func $folder (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\\00\\01\\00\\00\\10\\00\\00\\00") (data (i32.const 8) "\\00\\01\\00\\00\\04\\00\\00\\00")
  (func (export "wizer-initialize")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 20)))
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 20))))
  (func (export "environment") (drop (call $environ (i32.const 65536) (i32.const 70000))))
  (func (export "folder") (drop (call $folder (i32.const 3) (i32.const 65536) (i32.const 6)))))"""
EXIT = f"""(module (import "{WASI}" "proc_exit" (func $x (param i32))) (memory (export "memory") 1)
  (func (export "wizer-initialize") (call $x (i32.const 3))))"""
SIMD = '(module (memory (export "memory") 1) (func (export "wizer-initialize") (drop (v128.const i64x2 1 2))))'

PROGRAM = "preinit.cli.preinit_wizer"
COMMAND = [sys.executable, "-m", PROGRAM]


def run(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    done = command.run(*arguments, stdin=stdin, cwd=cwd, code=code, program=PROGRAM, **environment)
    assert b"Traceback" not in done.stderr
    return done


def memory(binary: bytes) -> bytes:
    return bytes(Running(binary).state().memories[0])


def measuring(stands: str, moves: str, readings: int = 40) -> bytes:
    """Reads the monotonic clock so many times, then does one of both; it prints a letter before, and exports the times."""
    return wasm(f"""(module (import "{WASI}" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2) (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00") (data (i32.const 16) "x")
        (func $fill (param $size i32) (memory.fill (i32.const 1000) (i32.const 7) (local.get $size)))
        (func (export "wizer-initialize") (local $i i32)
            (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 20)))
            (drop (call $time (i32.const 1) (i64.const 0) (i32.const 32)))
            (loop (drop (call $time (i32.const 1) (i64.const 0) (i32.const 40)))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {readings - 1}))))
            (if (i64.eq (i64.load (i32.const 32)) (i64.load (i32.const 40))) (then {stands}) (else {moves}))))""")


LITTLE, MUCH = "(call $fill (i32.const 10))", "(call $fill (i32.const 5000))"


@pytest.mark.parametrize(
    ("module", "options", "filled"),
    [
        (measuring(MUCH, LITTLE), "", 10),
        (measuring(LITTLE, MUCH), "", 10),
        (measuring(MUCH, "unreachable"), "", 5000),
        (measuring(MUCH, LITTLE), "--max-size 3KiB", 10),
        (measuring(LITTLE, MUCH), "--max-size 3KiB", 10),
        (measuring(MUCH, LITTLE, 16), "", 5000),
        (measuring(MUCH, LITTLE), "--clock-pace 64", 5000),
        (measuring(MUCH, LITTLE), "--clock-pace 39", 10),
        (measuring(MUCH, LITTLE), "--clock-pace 0", 5000),
    ],
    ids=[
        "other",
        "first",
        "the other fails",
        "the first is too large",
        "the other is too large",
        "too few readings",
        "chosen",
        "chosen, moving",
        "standing",
    ],
)
def test_the_smaller_output_of_two_paces_of_the_clock_is_written(module: bytes, options: str, filled: int) -> None:
    done = run("--allow-wasi", stdin=module, PREINIT_WIZER_OPTIONS=options)
    assert memory(done.stdout).count(7) == filled
    assert done.stderr == b"x\n"


def test_a_guest_that_never_ends_at_the_other_pace_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smaller, "_SECONDS", 0.3)
    monkeypatch.setattr(smaller, "_TIMES", 0)
    result = build_smaller(measuring(MUCH, "(loop (br 0))"), Options(**UNUSABLE), Observer(), once=False)
    assert memory(result.wasm).count(7) == 5000


def test_where_both_paces_give_too_much_the_first_says_so() -> None:
    done = run("--allow-wasi", stdin=measuring(MUCH, MUCH), code=1, PREINIT_WIZER_OPTIONS="--max-size 3KiB")
    assert done.stdout == b""
    assert done.stderr.count(b"error[") == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wizer")
    for name, text in (("in", TEXT), ("echo", ECHO), ("exit", EXIT), ("simd", SIMD)):
        (place / f"{name}.wasm").write_bytes(wasm(text))
    return place


def test_the_package_has_the_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["preinit-wizer"].partition(":")
    assert callable(getattr(import_module(module), name))


def test_standard_input_and_output_are_the_defaults_and_nothing_is_said(folder: Path) -> None:
    for done in (
        run(stdin=wasm(TEXT)),
        run("in.wasm", cwd=folder),
        run(stdin=TEXT.encode()),
        run("-", stdin=wasm(TEXT)),
    ):
        assert memory(done.stdout)[100] == 42
        assert parse(done.stdout).exported_names == {"memory", "trap", "args", "get", "a", "b"}
        assert done.stderr == b""


@pytest.mark.parametrize("option", [["-o", "out"], ["-o=out"], ["-oout"], ["--output", "out"], ["--output=out"]])
def test_an_output_is_named_in_every_way_that_wizer_takes(folder: Path, tmp_path: Path, option: list[str]) -> None:
    assert run(folder / "in.wasm", *option, cwd=tmp_path).stdout == b""
    assert memory((tmp_path / "out").read_bytes())[100] == 42


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("--keep-init-func", "+wizer-initialize"),
        ("--keep-init-func=true", "+wizer-initialize"),
        ("--keep-init-func=false", ""),
        ("-f a", "+wizer-initialize -a"),
        ("-f=a", "+wizer-initialize -a"),
        ("--init-func=a --keep-init-func=true", "+wizer-initialize"),
        ("-r x=a -r y=b", "+x +y -a -b"),
        ("-r=x=a", "+x -a"),
        ("-rx=a", "+x -a"),
        ("--rename-func=b=a", "-a"),
        ("-r x=no-such", ""),
        ("-r x=wizer-initialize", ""),
        ("-r x=wizer-initialize --keep-init-func", "+x"),
        ("--wasm-simd true", ""),
        ("--wasm-simd=false --wasm-bulk-memory --inherit-env true --inherit-stdio false", ""),
        ("--wasm-multi-memory=true --wasm-multi-value=true --wasm-relaxed-simd --wasm-reference-types=false", ""),
        ("--relaxed-simd-deterministic --allow-wasi", ""),
        ("-O opt-level=2,memory-may-move=n -Cparallel-compilation=n -C compiler=cranelift -D debug-info", ""),
        ("-W timeout=100s,max-memory-size=65536 -W simd=n -Scli -S inherit-env=n,preview2=n --target x --env A=1", ""),
    ],
)
def test_options_of_both_are_taken(folder: Path, arguments: str, names: str) -> None:
    wanted = {"memory", "trap", "args", "get", "a", "b"}
    for name in names.split():
        wanted = wanted | {name[1:]} if name[0] == "+" else wanted - {name[1:]}
    assert parse(run(*arguments.split(), "--", "in.wasm", cwd=folder).stdout).exported_names == wanted


def test_a_renaming_that_comes_to_nothing_is_told(folder: Path) -> None:
    for source in ("no-such", "wizer-initialize"):
        said = run("-r", f"x={source}", "in.wasm", cwd=folder).stderr.decode()
        assert said == f"warning: nothing is renamed to 'x': the output has no export '{source}'\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--no-such in.wasm", 2),
        ("-V in.wasm", 2),
        ("--init-fun a in.wasm", 2),
        ("--wasm-threads=true in.wasm", 2),
        ("in.wasm in.wasm", 2),
        ("--keep-init-func true in.wasm", 2),
        ("--keep-init-func=yes in.wasm", 2),
        ("--wasm-simd in.wasm", 2),
        ("--inherit-env in.wasm", 2),
        ("-f a -f b in.wasm", 2),
        ("-o a -o b in.wasm", 2),
        ("--inherit-env true --inherit-env true in.wasm", 2),
        ("-r a in.wasm", 2),
        ("-W no-such in.wasm", 2),
        ("-W fuel=5 in.wasm", 2),
        ("-S cli=perhaps in.wasm", 2),
        ("--record x in.wasm", 2),
        ("-f no-such in.wasm", 1),
        ("-f args in.wasm", 1),
        ("-f memory in.wasm", 1),
        ("-f trap in.wasm", 1),
        ("-r x=a -r x=b in.wasm", 1),
        ("-r x=a -r y=a in.wasm", 1),
        ("--dir no-such in.wasm", 1),
        ("--mapdir x in.wasm", 1),
        ("--preload x in.wasm", 1),
        ("--preload x=no-such in.wasm", 1),
        ("no-such.wasm", 1),
        ("-o no-such/out in.wasm", 1),
        ("--config no-such.toml in.wasm", 2),
        ("--wasm-simd false simd.wasm", 1),
        ("-W simd=n simd.wasm", 1),
        ("", 1),
    ],
)
def test_wrong_usage_exits_with_2_and_all_other_failures_with_1(folder: Path, arguments: str, code: int) -> None:
    done = run(*arguments.split(), cwd=folder, code=code)
    assert done.stdout == b""
    assert b"bug in preinit" not in done.stderr
    assert b"rror" in done.stderr


def test_wasi_is_called_where_it_is_allowed_only(folder: Path) -> None:
    said = run("echo.wasm", cwd=folder, code=1).stderr.decode()
    assert "WASI is not allowed" in said
    assert "--allow-wasi" in said
    for allowed in (["--allow-wasi"], ["-S", "cli"], ["-Scli"], ["-S", "common=y"]):
        run(*allowed, "echo.wasm", cwd=folder)


def test_the_guest_reads_our_input_and_prints_to_our_output(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    done = run("--allow-wasi", "-o", out, "echo.wasm", cwd=folder, stdin=b"four or more")
    assert done.stdout == b"four"
    assert done.stderr.startswith(b"four")
    assert memory(out.read_bytes())[256:268] == b"four or more"
    done = run("--allow-wasi", "echo.wasm", cwd=folder, stdin=b"four")  # the module has our output
    assert done.stderr.startswith(b"fourfour")
    assert memory(done.stdout)[256:260] == b"four"
    for none in (["--inherit-stdio=false"], ["-S", "inherit-stdin=n,inherit-stdout=n,inherit-stderr=n"]):
        done = run("--allow-wasi", *none, "-o", out, "echo.wasm", cwd=folder, stdin=b"four")
        assert (done.stdout, b"four" in done.stderr) == (b"", False)
        assert memory(out.read_bytes())[256:260] == bytes(4)
    assert memory(run("--allow-wasi", stdin=wasm(ECHO)).stdout)[256:260] == bytes(4)  # all of it was the module


def test_input_that_never_ends_does_not_matter_to_a_guest_that_reads_none(folder: Path) -> None:
    reader, writer = os.pipe()
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*COMMAND, "--allow-wasi", "-f", "folder", "--dir", ".", "echo.wasm"]
    done = subprocess.run(
        command, stdin=reader, capture_output=True, timeout=PATIENCE, cwd=folder, env=given, check=True
    )
    os.close(reader)
    os.close(writer)
    assert parse(done.stdout)


def test_environment_and_folders_are_those_that_are_given(folder: Path) -> None:
    def left(name: str, *arguments: str, **environment: str) -> bytes:
        done = run("--allow-wasi", "-f", name, *arguments, "echo.wasm", cwd=folder, **environment)
        return memory(done.stdout)[65536:] if done.stdout else b""

    assert b"MARK=7" in left("environment", "--inherit-env=true", MARK="7")
    assert b"MARK=7" in left("environment", "-S", "inherit-env", MARK="7")
    assert b"MARK=8" in left("environment", "--env", "MARK=8", MARK="7")
    assert b"MARK=7" in left("environment", "--env=MARK", MARK="7")
    assert b"MARK" not in left("environment", MARK="7")
    assert left("folder", "--dir", ".::/guest").startswith(b"/guest")
    assert left("folder", "--mapdir=/guest::.").startswith(b"/guest")
    assert left("folder", "--dir=.", "--mapdir", "/guest::.").startswith(b".\0")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="nothing says what we were started with")
def test_what_python_puts_into_the_environment_is_not_passed_on(folder: Path) -> None:
    given = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [*COMMAND, "--allow-wasi", "--inherit-env=true", "-f", "environment", "echo.wasm"]
    for more in ({}, {"LC_CTYPE": "C.UTF-8"}):
        done = subprocess.run(
            command, capture_output=True, timeout=PATIENCE, cwd=folder, env={**given, **more}, check=True
        )
        assert (b"LC_CTYPE" in memory(done.stdout)) == bool(more)


def test_a_guest_that_fails_is_told_in_wizer_s_form(folder: Path) -> None:
    """componentize-js cuts that out, from the first of these lines to the last, to show what the guest printed."""
    said = run("--allow-wasi", "exit.wasm", cwd=folder, code=1).stderr.decode()
    assert said.startswith("Error: the `wizer-initialize` function trapped\n\nCaused by:\n")
    assert said.endswith("Exited with i32 exit status 3\n")
    said = run("-f", "trap", "in.wasm", cwd=folder, code=1).stderr.decode()
    assert said.startswith("Error: the `trap` function trapped\n\nCaused by:\n")
    assert "unreachable" in said


@pytest.mark.parametrize("name", ["wizer-initialize", "wizer.initialize"])
def test_the_names_of_both_generations_are_run_without_being_named(name: str) -> None:
    assert memory(run(stdin=wasm(TEXT.replace("wizer-initialize", name))).stdout)[100] == 42


def test_preloads_and_functions_that_return_defaults_provide_imports(folder: Path, tmp_path: Path) -> None:
    text = """(module (import "env" "f" (func $f (result i32))) (import "lib" "g" (func $g (result i32)))
      (memory (export "memory") 1)
      (func (export "wizer-initialize") (i32.store8 (i32.const 0) (i32.add (call $f) (i32.add (call $g) (i32.const 1))))))"""
    (tmp_path / "lib.wat").write_text('(module (func (export "g") (result i32) (i32.const 6)))')
    config = tmp_path / "config.toml"
    config.write_text("[wasm]\nunknown-imports-default = true\n[codegen]\ncompiler = 'cranelift'\n")
    given = ["--preload", f"lib={tmp_path / 'lib.wat'}"]
    for more in (["-W", "unknown-imports-default"], ["--config", str(config)]):
        assert memory(run(*given, *more, stdin=wasm(text)).stdout)[0] == 7
    assert b"env.f" in run(*given, stdin=wasm(text), code=1).stderr
    config.write_text("[nonsense]\nx = 1\n")
    assert b"no table of options" in run("--config", config, stdin=wasm(text), code=2).stderr


def test_more_options_come_from_the_environment(folder: Path, tmp_path: Path) -> None:
    def run_with(options: str, code: int = 0) -> str:
        given = ["--allow-wasi", "-o", tmp_path / "out.wasm", "echo.wasm"]
        return run(*given, cwd=folder, code=code, stdin=b"four", PREINIT_WIZER_OPTIONS=options).stderr.decode()

    assert "warning[stdin-consumed]" in run_with("")
    assert "PREINIT_WIZER_OPTIONS" in run_with("")
    assert run_with("-q") == "four\n"
    assert "stdin-consumed" in run_with("--strict", code=1)
    assert "no option" in run_with("--no-such", code=2)
    for wrong in ("--report x.json", "other.wasm", "-o x.wasm", "--random 'x"):
        assert "PREINIT_WIZER_OPTIONS" in run_with(wrong, code=1)


@pytest.mark.parametrize(
    "wrong",
    ["--help", "-h", "--check --depfile dep.d", "--config c.toml", "--jobs 2", "--force", "--verify", "--html x.html",
     "-o -", "-v", "--debug", "--strict --help"],
)  # fmt: skip
def test_what_the_environment_says_that_is_no_option_of_a_build_is_refused(folder: Path, wrong: str) -> None:
    done = run("echo.wasm", "--allow-wasi", "-o", "x.wasm", cwd=folder, code=1, PREINIT_WIZER_OPTIONS=wrong)
    assert "in $PREINIT_WIZER_OPTIONS is no option of the build itself" in done.stderr.decode()
    assert done.stdout == b""
    assert not (folder / "x.wasm").exists()


def test_what_the_environment_says_takes_the_place_of_the_command_line_and_is_said_once(folder: Path) -> None:
    given = ["echo.wasm", "--allow-wasi", "-o", "x.wasm", "-W", "timeout=50", "-C", "compiler=winch"]
    run(*given, cwd=folder, PREINIT_WIZER_OPTIONS="-t 60 --compiler cranelift")
    done = run(*given, cwd=folder, code=2, PREINIT_WIZER_OPTIONS="-t 60 -t 70")
    assert b"`--timeout` is given several times" in done.stderr


def test_what_the_environment_may_say(folder: Path) -> None:
    options = "--timeout 60 --dir . --env A=1 --inherit-env=false --compiler winch --quiet"
    run("echo.wasm", "--allow-wasi", "-o", "x.wasm", cwd=folder, PREINIT_WIZER_OPTIONS=options)
    assert (folder / "x.wasm").exists()


def test_what_wizer_would_write_though_nothing_could_use_it_is_written(tmp_path: Path) -> None:
    done = run("-f", "_start", stdin=wasm('(module (memory (export "memory") 1) (func (export "_start")))'))
    assert parse(done.stdout).exported_names == {"memory"}
    assert b"nothing-exported" in done.stderr


def test_memory_is_cut_as_wizer_cuts_it_unless_the_variable_says_otherwise() -> None:
    stores = "".join(f"(i32.store8 (i32.const {place}) (i32.const 1))" for place in range(0, 1200, 12))
    text = f'(module (memory (export "memory") 1) (func (export "wizer-initialize") {stores}))'
    cut = run(stdin=wasm(text)).stdout
    whole = run(stdin=wasm(text), PREINIT_WIZER_OPTIONS="--layout balanced").stdout
    assert (len(parse(cut).data_segments), len(parse(whole).data_segments)) == (100, 1)
    assert len(cut) < len(whole)
    assert memory(cut) == memory(whole)
