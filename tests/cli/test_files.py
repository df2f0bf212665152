"""The command's files: inputs, outputs, pipes, reports."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from preinit.binary.encoder import uleb
from preinit.binary.module import parse
from tests.support.command import COMMAND, GOOD, LOOP, TRAP, assert_initialized, fails, run
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

# -- input and output --------------------------------------------------------------------------------------------------


def test_a_build_writes_the_output_and_says_what_it_did(good: Path, tmp_path: Path) -> None:
    done = run("build", good, "-o", tmp_path / "out.wasm", code=0)
    assert_initialized((tmp_path / "out.wasm").read_bytes())
    assert done.stdout == b""
    assert "ran wizer-initialize" in done.stderr.decode()


def test_standard_input_and_output_make_a_filter(good: Path) -> None:
    assert_initialized(run("build", "-", stdin=good.read_bytes(), code=0).stdout)


def test_a_large_module_is_read_as_a_small_one(good: Path, tmp_path: Path) -> None:
    """What builds it is imported meanwhile."""
    section = b"\x03big" + bytes(5 << 20)
    large = tmp_path / "large.wasm"
    large.write_bytes(good.read_bytes() + b"\0" + uleb(len(section)) + section)
    done = run("build", large, code=0)
    assert_initialized(done.stdout)
    assert section in done.stdout
    large.write_bytes(large.read_bytes()[:-1])
    assert b"error[truncated]" in run("build", large, code=1).stderr


@pytest.mark.parametrize("text", [GOOD, ";; a comment\n" + GOOD, " \n\t(; block ;)" + GOOD])
def test_the_text_format_is_an_input_too(text: str) -> None:
    assert_initialized(run("build", "-", stdin=text.encode(), code=0).stdout)


def test_quiet_says_nothing(good: Path) -> None:
    assert run("build", good, "-q", code=0).stderr == b""


def test_the_same_input_gives_the_same_bytes_with_and_without_the_cache(good: Path, tmp_path: Path) -> None:
    plain = run("build", good, "--no-cache", code=0).stdout
    for seed in ("1", "2"):  # sets and the like have another order
        environment = {"PREINIT_CACHE_DIR": str(tmp_path / "cache"), "PYTHONHASHSEED": seed}
        assert run("build", good, code=0, **environment).stdout == plain


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
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


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
    for name in (str(tmp_path), f"{tmp_path}/new/", f"{tmp_path}/out.wasm/.", ".."):
        assert "is a folder" in fails("build", "-", "-o", name, stdin=wasm(GOOD))
    assert "the report 'x/' is a folder" in fails(
        "build", "-", "-o", tmp_path / "a", "--report", "x/", stdin=wasm(GOOD)
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_the_output(good: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "build", good], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 1
    assert "error[output-not-writable]: standard output can't be written: No space left" in done.stderr.decode()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A module of more bytes than a pipe holds."""
    path = tmp_path / "big.wasm"
    segments = "".join(f'(data (i32.const {page << 16}) "{"x" * 60_000}")' for page in range(30))
    path.write_bytes(wasm(f'(module (memory (export "memory") 30) {segments} (func (export "wizer-initialize")))'))
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
        with open(receiver, "rb") as stream:
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
        *("version", "preinit", "layout", "engine", "input", "output", "runs", "passes", "snapshot", "host"),
        "warnings",
    }
    assert facts["input"]["size"] == good.stat().st_size
    assert facts["output"]["size"] == out.stat().st_size
    assert facts["output"]["gzip_size"] > 0
    assert sum(facts["output"]["sections"].values()) + 8 == out.stat().st_size
    assert [run["function"] for run in facts["runs"]] == ["wizer-initialize"]
    assert facts["snapshot"]["memories"][0]["bytes_written"] == 1
    assert facts["warnings"] == []


def test_a_failed_build_reports_its_code_and_backtrace(tmp_path: Path) -> None:
    (tmp_path / "in.wat").write_text(TRAP)
    run("build", tmp_path / "in.wat", "-o", tmp_path / "out.wasm", "--report", tmp_path / "r.json", code=1)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["version"] == 1
    assert report["error"]["code"] == "trap"
    assert [frame["name"] for frame in report["error"]["frames"]] == ["divide", "prepare", "init"]
    assert not (tmp_path / "out.wasm").exists()


def test_the_report_goes_to_standard_output_when_the_module_does_not(good: Path, tmp_path: Path) -> None:
    done = run("build", good, "-o", tmp_path / "out.wasm", "--report", "-", code=0)
    assert json.loads(done.stdout)["version"] == 1


def test_module_and_report_can_not_go_to_the_same_place(good: Path, tmp_path: Path) -> None:
    assert "error[usage]" in fails("build", good, "--report", "-", code=2)
    assert "error[usage]" in fails("build", good, "-o", tmp_path / "x", "--report", tmp_path / "x", code=2)
    assert not (tmp_path / "x").exists()
