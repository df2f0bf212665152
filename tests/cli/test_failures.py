"""What a command leaves behind when it fails: its report, its exit code, its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND, LOOP, TRAP, assert_initialized, fails, run
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX systems only")


def reported(path: Path) -> str:
    return str(json.loads(path.read_text())["error"]["code"])


# -- the report of a failure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-r", "nonsense"], "usage"),
        (["--timeout", "0"], "usage"),
        (["-f", "missing"], "unknown-export"),
        (["--stdin", "no-such-file"], "unreadable"),
        (["-o", "no/such/folder"], "output-not-writable"),
    ],
)
def test_every_error_replaces_a_report_that_was_there(
    good: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    report = tmp_path / "report.json"
    report.write_text('{"version": 1}')
    output = [] if "-o" in arguments else ["-o", tmp_path / "out"]
    assert f"error[{code}]" in run("build", good, *output, "--report", report, *arguments).stderr.decode()
    assert reported(report) == code
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_missing_is_reported(tmp_path: Path) -> None:
    fails("build", "no-such-file", "-o", tmp_path / "out", "--report", tmp_path / "r", code=2)
    assert reported(tmp_path / "r") == "unreadable"


def test_an_unexpected_error_is_reported(good: Path, tmp_path: Path) -> None:
    script = "import preinit.passes.pipeline, preinit.cli\npreinit.passes.pipeline.build_module = lambda *_, **__: 1 / 0\npreinit.cli.main()"
    arguments = ["build", good, "-o", tmp_path / "out", "--report", tmp_path / "r"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "unexpected: ZeroDivisionError" in done.stderr.decode()
    assert reported(tmp_path / "r") == "error"


@posix
def test_an_interrupt_is_reported(tmp_path: Path) -> None:
    (tmp_path / "loop.wasm").write_bytes(wasm(LOOP))
    report = tmp_path / "r"
    report.write_text('{"version": 1}')
    command = [*COMMAND, "build", tmp_path / "loop.wasm", "-o", tmp_path / "out", "--report", report]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()
    assert reported(report) == "interrupted"


full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


@full
def test_a_module_that_can_not_be_written_leaves_no_report_of_success(good: Path, tmp_path: Path) -> None:
    said = fails("build", good, "-o", "/dev/full", "--report", tmp_path / "r")
    assert "the output '/dev/full' can't be written" in said
    assert reported(tmp_path / "r") == "output-not-writable"


@full
def test_a_report_that_can_not_be_written_is_an_error_of_a_build_that_wrote_its_module(
    good: Path, tmp_path: Path
) -> None:
    said = fails("build", good, "-o", tmp_path / "out", "--report", "/dev/full")
    assert "the report '/dev/full' can't be written" in said
    assert "the module was written" in said
    assert said.count("can't be written") == 1
    assert "`--report`" in said
    assert_initialized((tmp_path / "out").read_bytes())


@full
@pytest.mark.parametrize(
    "command",
    ["preinit --version", "preinit --help", "preinit build --help", "preinit help topics", "preinit schema --report",
     "preinit completion bash", "preinit_wizer --help"],
)  # fmt: skip
def test_text_that_can_not_be_printed_is_an_error(command: str) -> None:
    program, *arguments = command.split()
    start = f"from preinit.cli import {'main_of_wizer as main' if program == 'preinit_wizer' else 'main'}; main()"
    with Path("/dev/full").open("wb") as device:
        done = subprocess.run(
            [sys.executable, "-c", start, *arguments], stdout=device, stderr=subprocess.PIPE, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error[")
    assert b"no space" in done.stderr.lower()
    assert b"Traceback" not in done.stderr


@full
def test_a_report_that_can_not_be_written_does_not_hide_why_the_build_failed(tmp_path: Path) -> None:
    said = fails("build", "-", "-o", tmp_path / "out", "--report", "/dev/full", stdin=wasm(TRAP))
    assert said.startswith("error[trap]")
    assert "and the report '/dev/full' can't be written" in said


# -- names that clash or can't be ----------------------------------------------------------------------------------------


def test_a_report_never_overwrites_the_input(good: Path, tmp_path: Path) -> None:
    before = good.read_bytes()
    assert "would overwrite the input" in fails("build", good, "-o", tmp_path / "out", "--report", good, code=2)
    for given in ("--preload", f"env={good}"), ("-f", f"run(@{good})"):
        assert "would overwrite" in fails("build", "-", *given, "-o", tmp_path / "out", "--report", good, code=2)
    assert "would overwrite" in fails("build", "-", "--stdin", good, "-o", tmp_path / "out", "--report", good, code=2)
    assert good.read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--report", "--stdin"])
def test_an_empty_file_name_is_refused(good: Path, option: str) -> None:
    assert f"the file name of `{option}` is empty" in fails("build", good, option, "", code=2)


def test_standard_input_is_read_once() -> None:
    assert "can't both be read" in fails("build", "-", "--stdin", "-", code=2)


@pytest.mark.parametrize(("option", "noun"), [("-o", "output"), ("--report", "report")])
def test_a_name_that_is_too_long_is_an_error_of_the_output(good: Path, tmp_path: Path, option: str, noun: str) -> None:
    output = [] if option == "-o" else ["-o", tmp_path / "out"]
    said = fails("build", good, *output, option, tmp_path / ("x" * 300))
    assert f"error[output-not-writable]: the {noun} " in said
    assert f"`{option}`" in said
    assert list(tmp_path.iterdir()) == [good]


def test_the_longest_name_of_many_bytes_is_written(good: Path, tmp_path: Path) -> None:
    out = tmp_path / ("ä" * 125)
    run("build", good, "-o", out, code=0)
    assert_initialized(out.read_bytes())


@posix
def test_a_folder_that_may_not_be_searched_is_an_error_of_the_output(good: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o600)
    if os.access(tmp_path / "locked", os.X_OK):
        pytest.skip("the superuser may search every folder")
    assert "error[output-not-writable]" in fails("build", good, "-o", tmp_path / "locked" / "out")


def test_a_file_is_no_folder_to_write_into(good: Path) -> None:
    assert "Not a directory" in fails("build", good, "-o", good / "out")


# -- closed streams ----------------------------------------------------------------------------------------------------


def closed(redirections: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *map(str, arguments)],
        capture_output=True,
        timeout=PATIENCE,
    )


@posix
@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_don_t_matter_to_a_build_from_file_to_file(
    good: Path, tmp_path: Path, redirections: str
) -> None:
    done = closed(redirections, "build", good, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert_initialized((tmp_path / "out").read_bytes())


@posix
@pytest.mark.parametrize(
    ("redirections", "arguments", "code", "words"),
    [
        (">&-", ["build", "GOOD"], 1, b"standard output can't be written: it is closed"),
        (">&-", ["schema"], 1, b"what to do: Have it lead to where there is room"),
        ("<&-", ["build", "-"], 1, b"standard input can't be read: it is closed"),
        (">&- 2>&-", ["build", "GOOD"], 1, b""),
        ("2>&-", ["build", "no-such-file"], 2, b""),
        ("2>&-", ["build"], 2, b""),
        (">&-", ["--help"], 0, b""),
    ],
)
def test_a_closed_stream_that_is_needed_is_named(
    good: Path, redirections: str, arguments: list[str], code: int, words: bytes
) -> None:
    done = closed(redirections, *[str(good) if argument == "GOOD" else argument for argument in arguments])
    assert done.returncode == code
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


# -- interrupts before the build ---------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("preinit.bytecode", "GOOD"),
        ("preinit.cli.plain", "GOOD"),
        ("preinit.cli.building", "GOOD"),
        ("preinit.passes.pipeline", "GOOD"),
        ("wasmtime", "GOOD"),
        ("click", "-oGOOD"),
        ("preinit.cli.group", "-oGOOD"),
        ("preinit.cli.build", "-oGOOD"),
    ],
)
@pytest.mark.parametrize("start", ["import preinit.cli; preinit.cli.main()", "-m"])
def test_control_c_while_modules_are_imported_ends_with_130(
    good: Path, tmp_path: Path, module: str, source: str, start: str
) -> None:
    """The signal comes at the moment when `module` is looked up. `source`: what click does not have to read, or has."""
    if start == "-m":
        start = "import runpy; runpy.run_module('preinit', run_name='__main__', alter_sys=True)"
    script = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
{start}
"""
    arguments = ["build", source.replace("GOOD", str(good)), "-o", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 130, done.stderr.decode()
    assert done.stderr == b"error[interrupted]: interrupted; nothing was written\n"


def test_usage_errors_name_the_command() -> None:
    assert "where: preinit build" in run("build", code=2).stderr.decode()
    assert "where: preinit\n" in run("frobnicate", code=2).stderr.decode()
    assert "where: preinit bench" in run("bench", "--rounds", code=2).stderr.decode()
