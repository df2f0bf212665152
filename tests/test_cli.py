"""The command as users run it: a process with files, pipes, signals and exit codes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import wasm

from preinit.binary.module import parse

COMMAND = [sys.executable, "-m", "preinit"]

#: Seconds that a command may take before a test fails; nothing is measured.
PATIENCE = 120

INIT = '(func (export "wizer-initialize") (i32.store (i32.const 16) (i32.const 42)))'
GOOD = f'(module (memory (export "memory") 1) {INIT} (func (export "run")))'
LOOP = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\06\\00\\00\\00ready\\n")
  (func (export "wizer-initialize")
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 0))) (loop (br 0))))"""
TRAP = """(module
  (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $prepare (drop (call $divide (i32.const 0))))
  (func $init (export "wizer-initialize") (call $prepare)))"""


def run(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, code: int | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs `preinit` and checks its exit code, if one is given."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        cwd=cwd,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull, **environment},
    )
    if code is not None:
        assert done.returncode == code, done.stderr.decode()
    return done


def fails(*arguments: str | Path, stdin: bytes = b"", code: int = 1, **environment: str) -> str:
    """What a command says that fails; it writes nothing and shows no traceback."""
    done = run(*arguments, stdin=stdin, code=code, **environment)
    said = done.stderr.decode()
    assert done.stdout == b""
    assert "Traceback" not in said
    assert "bug in preinit" not in said
    return said


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.wasm"
    path.write_bytes(wasm(GOOD))
    return path


def assert_initialized(data: bytes) -> None:
    module = parse(data)
    assert "wizer-initialize" not in module.exported_names
    assert [data[s.start : s.end] for s in module.data_segments] == [b"\x2a"]


# -- input and output --------------------------------------------------------------------------------------------------


def test_a_build_writes_the_output_and_says_what_it_did(good: Path, tmp_path: Path) -> None:
    done = run("build", good, "-o", tmp_path / "out.wasm", code=0)
    assert_initialized((tmp_path / "out.wasm").read_bytes())
    assert done.stdout == b""
    assert "ran wizer-initialize" in done.stderr.decode()


def test_standard_input_and_output_make_a_filter(good: Path) -> None:
    assert_initialized(run("build", "-", stdin=good.read_bytes(), code=0).stdout)


@pytest.mark.parametrize("text", [GOOD, ";; a comment\n" + GOOD, " \n\t(; block ;)" + GOOD])
def test_the_text_format_is_an_input_too(text: str) -> None:
    assert_initialized(run("build", "-", stdin=text.encode(), code=0).stdout)


def test_quiet_says_nothing(good: Path) -> None:
    assert run("build", good, "-q", code=0).stderr == b""


def test_the_same_input_gives_the_same_bytes_with_and_without_the_cache(good: Path, tmp_path: Path) -> None:
    plain = run("build", good, "--no-cache", code=0).stdout
    for _ in range(2):
        assert run("build", good, PREINIT_CACHE_DIR=str(tmp_path / "cache"), code=0).stdout == plain


def test_a_symbolic_link_is_followed_and_stays_a_link(good: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link, dangling = tmp_path / "folder" / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_bytes(b"before")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "folder" / "new")
    for path in (link, dangling):
        run("build", good, "-o", path, code=0)
        assert path.is_symlink()
        assert_initialized(path.read_bytes())
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["new", "target"]


def test_an_existing_output_keeps_its_mode(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    out.write_bytes(b"")
    out.chmod(0o751)
    run("build", good, "-o", out, code=0)
    assert stat.S_IMODE(out.stat().st_mode) == 0o751


def test_a_new_output_has_the_mode_that_the_umask_asks_for(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    subprocess.run([*COMMAND, "build", good, "-o", out, "-q"], umask=0o027, check=True, timeout=PATIENCE)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_an_output_may_replace_its_input(good: Path) -> None:
    run("build", good, "-o", good, code=0)
    assert_initialized(good.read_bytes())


def test_dev_null_stays_a_device(good: Path) -> None:
    run("build", good, "-o", os.devnull, "--report", os.devnull, code=0)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116


def test_dev_stdout_may_be_a_pipe(good: Path) -> None:
    assert_initialized(run("build", good, "-o", "/dev/stdout", code=0).stdout)


def test_a_named_pipe_is_written_to(good: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    run("build", good, "-o", pipe, code=0)
    reader.join(PATIENCE)
    assert_initialized(received[0])
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_failed_build_leaves_the_output_as_it_was_and_nothing_else(tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.wasm", tmp_path / "out.wasm"
    bad.write_bytes(wasm(TRAP))
    out.write_bytes(b"before")
    fails("build", bad, "-o", out)
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.wasm", "out.wasm"]


def test_an_output_in_a_folder_that_does_not_exist_is_refused_before_anything_runs(tmp_path: Path) -> None:
    said = fails("build", "-", "-o", tmp_path / "no" / "out.wasm", stdin=wasm(LOOP))
    assert "error[output-not-writable]" in said
    assert "does not exist" in said
    assert "ready" not in said


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in fails("build", "-", "-o", tmp_path, stdin=wasm(GOOD))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_the_output(good: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run([*COMMAND, "build", good], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 1
    assert "error[output-not-writable]: standard output can't be written: No space left" in done.stderr.decode()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A module of more bytes than a pipe holds."""
    path = tmp_path / "big.wasm"
    segments = "".join(f'(data (i32.const {page << 16}) "{"x" * 60_000}")' for page in range(30))
    path.write_bytes(wasm(f'(module (memory 30) {segments} (func (export "wizer-initialize")))'))
    return path


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_gets_every_byte_of_a_large_module(big: Path, unbuffered: str) -> None:
    data = run("build", big, code=0, PYTHONUNBUFFERED=unbuffered).stdout
    assert len(data) > 1_800_000
    assert parse(data).data_segments


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX systems")
def test_a_pipe_that_does_not_block_gets_every_byte(big: Path) -> None:
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    with subprocess.Popen([*COMMAND, "build", "-q", big], stdout=sender) as process:
        os.close(sender)
        with open(receiver, "rb") as stream:  # noqa: PTH123
            data = stream.read()
        assert process.wait(PATIENCE) == 0
    assert parse(data).data_segments


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error_to_talk_about(big: Path, unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    script = "import sys; sys.stdin.buffer.read(1)"
    with (
        subprocess.Popen(
            [*COMMAND, "build", "-q", big], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as build,
        subprocess.Popen([sys.executable, "-c", script], stdin=build.stdout) as reader,
    ):
        assert build.stdout is not None
        build.stdout.close()
        reader.wait(PATIENCE)
        assert build.wait(PATIENCE) == 141
        assert build.stderr is not None
        assert build.stderr.read() == b""


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_is_json_with_everything_in_it(good: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.wasm", tmp_path / "report.json"
    run("build", good, "-o", out, "--report", report, code=0)
    facts = json.loads(report.read_text())
    assert facts["version"] == 1
    assert set(facts) >= {
        *("version", "preinit", "layout", "compiler", "input", "output", "runs", "passes", "snapshot", "host"),
        "warnings",
    }
    assert facts["input"]["size"] == good.stat().st_size
    assert facts["output"]["size"] == out.stat().st_size
    assert facts["output"]["gzip_size"] > 0
    assert sum(facts["output"]["sections"].values()) + 8 == out.stat().st_size
    assert [run["function"] for run in facts["runs"]] == ["wizer-initialize"]
    assert facts["snapshot"]["memories"][0]["bytes_written"] == 1
    assert facts["warnings"] == []


def test_the_report_goes_to_standard_output_when_the_module_does_not(good: Path, tmp_path: Path) -> None:
    done = run("build", good, "-o", tmp_path / "out.wasm", "--report", "-", code=0)
    assert json.loads(done.stdout)["version"] == 1


def test_module_and_report_can_not_go_to_the_same_place(good: Path, tmp_path: Path) -> None:
    assert "error[usage]" in fails("build", good, "--report", "-", code=2)
    assert "error[usage]" in fails("build", good, "-o", tmp_path / "x", "--report", tmp_path / "x", code=2)
    assert not (tmp_path / "x").exists()


# -- what is wrong with the input --------------------------------------------------------------------------------------


def test_a_missing_file_is_named() -> None:
    said = fails("build", "no-such-file.wasm")
    assert "error[input]" in said
    assert "'no-such-file.wasm' can't be read: No such file" in said


def test_a_folder_is_no_input(tmp_path: Path) -> None:
    assert "Is a directory" in fails("build", tmp_path)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "not-wasm", "empty"),
        (b"\x7fELF\x02\x01", "not-wasm", "7f 45 4c 46"),
        (b"\0asm\1\0\0\0\1\x50\1", "truncated", "byte offset 0x8"),
        (b"\0asm\1\0\0\0\x63\0", "malformed", "unknown section number 99"),
        (b"(module\n  (func\n    (i32.cons 1)))", "text-syntax", "line 3, column 6"),
        (b"(module (func (result i32) (i64.const 1)))", "no-initializer", "no function of type () -> ()"),
        (wasm('(module (func (export "wizer-initialize") (drop)))'), "invalid-module", "byte offset 0x"),
        (wasm("(component)"), "component", "not a core module"),
        (b"\0asm\1\0\0\0\0\x09\x07linking\x02", "relocatable-object", "wasm-ld"),
        (b"\0asm\1\0\0\0\0\x09\x08dylink.0", "dynamic-library", "dylink.0"),
        (wasm('(module (import "m" "mem" (memory 1)) (func (export "wizer-initialize")))'), "imported-state", "m.mem"),
    ],
    ids=lambda value: value if isinstance(value, str) and "-" in value else "",
)
def test_an_input_that_is_no_module_is_told_what_it_is(data: bytes, code: str, words: str) -> None:
    said = fails("build", "-", stdin=data)
    assert f"error[{code}]: " in said
    assert words in said
    assert "what to do:" in said


# -- what to run -------------------------------------------------------------------------------------------------------


def test_without_an_initializer_the_candidates_are_listed() -> None:
    text = '(module (func (export "warm-up")) (func (export "start") (param i32)) (func (export "boot")))'
    said = fails("build", "-", stdin=wasm(text))
    assert "error[no-initializer]" in said
    assert "warm-up, boot." in said


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        (["-f", "with-argument"], 1, "initializer-type", "-f 'with-argument(I32)'"),
        (["-f", "with-argument(one)"], 1, "initializer-type", "'one' is not a number of type i32"),
        (["-f", "with-argument(99999999999)"], 1, "initializer-type", "is not a number of type i32"),
        (["-f", "with-argument(1,2)"], 1, "initializer-type", "takes 1 arguments, 2 were given"),
        (["-f", "memory"], 1, "initializer-type", "not a function"),
        (["-f", "vector(1)"], 1, "initializer-type", "v128"),
        (["-f", "missing"], 1, "unknown-export", "wizer-initialize"),
        (["-r", "a=missing"], 1, "unknown-export", "-r NEW=PRESENT"),
        (["-r", "a=wizer-initialize"], 2, "usage", "--keep-init-func"),
        (["-r", "nonsense"], 2, "usage", "-r DST=SRC"),
        (["-r", "a=run", "-r", "a=memory"], 2, "usage", "once"),
        (["-r", os.fsdecode(b"\xff=run")], 2, "usage", "not UTF-8"),
        (["--dir", "::/x"], 2, "usage", "HOST[::GUEST]"),
        (["--mapdir", "/x"], 2, "usage", "GUEST::HOST"),
        (["--env", "=x"], 2, "usage", "--env K=V"),
        (["--env", "NO_SUCH_VARIABLE"], 2, "usage", "NO_SUCH_VARIABLE"),
        (["--init", "none", "-f", "run"], 2, "usage", "none is to be run"),
        (["--timeout", "0"], 2, "usage", "more than 0 seconds"),
        (["--timeout", "nan"], 2, "usage", "more than 0 seconds"),
        (["--max-memory", "9"], 1, "memory-limit", "--max-memory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_does_not_fit_is_explained(arguments: list[str], exit_code: int, code: str, words: str) -> None:
    text = GOOD.replace(
        INIT, INIT + '(func (export "with-argument") (param i32)) (func (export "vector") (param v128))'
    )
    said = fails("build", "-", *arguments, stdin=wasm(text), code=exit_code)
    assert f"error[{code}]: " in said
    assert words in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["frobnicate"], "No such command"),
        (["build"], "Missing argument"),
        (["build", "a", "b"], "unexpected extra argument"),
        (["build", "-", "--frobnicate"], "No such option"),
        (["build", "-", "--max-memory", "lots"], "not a size such as 64MiB"),
        (["build", "-", "--timeout", "soon"], "not a valid float"),
        (["build", "-", "--layout", "pretty"], "balanced"),
        (["build", "-", "--wasm-simd=perhaps"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    if arguments:
        assert words in done.stderr.decode()
    assert done.returncode == 2
    assert done.stdout == b""


@pytest.mark.parametrize("limit", ["inf", "1e300"])
def test_a_time_limit_beyond_all_time_is_no_limit(good: Path, limit: str) -> None:
    assert_initialized(run("build", good, "--timeout", limit, code=0).stdout)


@pytest.mark.parametrize("limit", ["64KiB", "1m", "2GB", "9223372036854775807", "999999999999999999999g"])
def test_a_memory_limit_takes_units_and_any_size(good: Path, limit: str) -> None:
    assert_initialized(run("build", good, "--max-memory", limit, code=0).stdout)


# -- what happens while the guest runs ---------------------------------------------------------------------------------


def test_an_endless_initializer_ends_with_the_time_limit(tmp_path: Path) -> None:
    said = fails("build", "-", "--timeout", "1", "-o", tmp_path / "out.wasm", stdin=wasm(LOOP))
    assert "ready" in said
    assert "error[time-limit]" in said
    assert "--timeout" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("options", [[], ["--timeout", "100"]], ids=["without limit", "with a time limit"])
def test_control_c_ends_the_build_at_once_and_writes_nothing(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "loop.wasm"
    source.write_bytes(wasm(LOOP))
    with subprocess.Popen(
        [*COMMAND, "build", source, "-o", tmp_path / "out.wasm", *options], stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        assert process.wait(PATIENCE) == 130
    assert said.startswith("error[interrupted]")
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["loop.wasm"]


def test_a_trap_shows_the_guest_s_backtrace_with_names() -> None:
    said = fails("build", "-", stdin=wasm(TRAP))
    assert "error[trap]" in said
    lines = [line.strip() for line in said.splitlines()]
    start = lines.index("guest backtrace, innermost first:")
    assert [line.split(" at offset ")[0] for line in lines[start + 1 : start + 4]] == [
        "divide (function 0)",
        "prepare (function 1)",
        "init (function 2)",
    ]
    assert all(" at offset 0x" in line for line in lines[start + 1 : start + 4])


def test_endless_recursion_exhausts_the_guest_s_stack_not_ours() -> None:
    said = fails("build", "-", stdin=wasm('(module (func $again (export "wizer-initialize") (call $again)))'))
    assert "error[stack-exhausted]" in said
    assert "again (function 0)" in said
    assert len(said.splitlines()) < 40


def test_a_growth_past_the_limit_is_refused() -> None:
    text = '(module (memory 1) (func $grow (export "wizer-initialize") (drop (memory.grow (i32.const 99)))))'
    said = fails("build", "-", "--max-memory", "1MiB", stdin=wasm(text))
    assert "error[growth-refused]" in said
    assert "grow (function 0)" in said


EVIL = "\\1b[31mred\\0a\\07"


def test_names_in_a_module_can_not_steer_the_terminal() -> None:
    text = f"""(module (import "{EVIL}" "{EVIL}" (func $import)) (func (export "{EVIL}"))
      (func $init (export "{EVIL}init") (call $import)))"""
    name = "\x1b[31mred\n\x07"
    for arguments in ([], ["-f", f"{name}init"], ["-f", name + "x"], ["-f", name, "-r", f"{name}={name}y"]):
        said = fails("build", "-", *arguments, stdin=wasm(text))
        assert "\\x1b[31mred" in said
        assert "\x1b" not in said
        assert "\x07" not in said
    for kind in ("(memory 1)", "(table 1 funcref)", "(global i32)"):
        text = f'(module (import "{EVIL}" "{EVIL}" {kind}) (func (export "wizer-initialize")))'
        assert "\x1b" not in fails("build", "-", stdin=wasm(text))
    done = run("build", "-", "-f", name, stdin=wasm(f'(module (func (export "{EVIL}")))'), code=0)
    assert b"ran \\x1b[31mred\\n\\x07\n" in done.stderr


# -- how it is said ----------------------------------------------------------------------------------------------------


def test_debug_shows_a_traceback() -> None:
    done = run("build", "-", "--debug", stdin=wasm(TRAP), code=1)
    assert "Traceback (most recent call last)" in done.stderr.decode()
    assert "error[trap]" in done.stderr.decode()


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a command writes to standard error when that is a terminal."""
    import pty

    controller, terminal = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=terminal, env={**clean, **environment}
    ) as process:
        os.close(terminal)
        said = b""
        try:
            while piece := os.read(controller, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        process.wait(PATIENCE)
    os.close(controller)
    return said.decode()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_errors_are_red_on_a_terminal_unless_no_color_is_set() -> None:
    assert "\x1b[31m" in on_a_terminal("build", "no-such-file.wasm")
    assert "\x1b" not in on_a_terminal("build", "no-such-file.wasm", NO_COLOR="1")
    assert "\x1b" not in fails("build", "no-such-file.wasm")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_binary_is_not_written_to_a_terminal(good: Path) -> None:
    import pty

    controller, terminal = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "build", good], stdout=terminal, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=PATIENCE
    )
    os.close(terminal)
    os.close(controller)
    assert done.returncode == 2
    assert "a binary is not written to a terminal" in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["build", "--help"], ["build", "-h"]])
def test_help_shows_examples(arguments: list[str]) -> None:
    said = run(*arguments, code=0).stdout.decode()
    assert "Examples:" in said
    assert "preinit build engine.wasm -o ready.wasm" in said
    assert "--mapdir" not in said


def test_the_version_is_the_package_s() -> None:
    import preinit

    assert run("--version", code=0).stdout.decode() == f"preinit, version {preinit.__version__}\n"


@pytest.mark.parametrize("statement", ["import preinit", "from preinit import __main__"])
def test_importing_the_library_imports_no_engine(statement: str) -> None:
    names = "'wasmtime', 'dataclasses', 'subprocess'" + (", 'click'" if statement == "import preinit" else "")
    script = f"{statement}; import sys; print([name for name in ({names}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout == b"[]\n"


# -- wizer's spellings -------------------------------------------------------------------------------------------------

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
    assert "not a valid boolean" in run("build", "--keep-init-func=perhaps", good, code=2).stderr.decode()


def test_a_value_that_looks_like_a_flag_stays_a_value(good: Path) -> None:
    said = fails("build", good, "-f", "--inherit-env")
    assert "exports no function '--inherit-env'" in said
    assert "no-such" in fails("build", "--", "--no-such-file")
