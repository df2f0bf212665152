"""What is no file where a file should be: nothing is waited for, and what it is, is said."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit.files.regular import read_bounded
from tests.support.batches import workshop
from tests.support.command import COMMAND, GOOD, run
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX systems")


def listening(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link that leads to itself": lambda path: path.symlink_to(path.name),
    "a link that leads nowhere": lambda path: path.symlink_to("nothing"),
    "a socket": listening,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "preinit.toml").write_text('[targets.one]\ninput = "in.wasm"\noutput = "out.wasm"\n')
    return tmp_path


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("named", [[], ["--config", "preinit.toml"]])
def test_a_config_file_that_is_none_is_named_for_what_it_is(project: Path, kind: str, named: list[str]) -> None:
    (project / "preinit.toml").unlink()
    PLANTED[kind](project / "preinit.toml")
    said = run("build", *named, cwd=project, code=2).stderr.decode()
    assert "error[config]" in said
    assert f"is {kind}, not a file" in said


def put(project: Path, kind: str) -> str | Path:
    if kind == "device":
        return "/dev/zero"
    os.mkfifo(project / "pipe")
    return project / "pipe"


WIZER = [sys.executable, "-m", "preinit.cli.preinit_wizer"]

#: Commands that read a file which is no stream of theirs, and what they say.
READERS: dict[str, tuple[list[str], str]] = {
    "a report to verify by": (["verify", "in.wasm", "in.wasm", "--from-report", "IT"], "the report 'IT'"),
    "a report for a page": (["inspect", "in.wasm", "--html", "page.html", "--from-report", "IT"], "the file 'IT'"),
    "the module of a batch": (["batch", "jobs.jsonl", "-i", "IT"], "the input 'IT'"),
}


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("reader", READERS)
def test_nothing_is_read_that_may_never_begin_or_never_end(project: Path, kind: str, reader: str) -> None:
    workshop(project, {"one": "text"})
    given, what = READERS[reader]
    path = os.fspath(put(project, kind))
    said = run(*[path if word == "IT" else word for word in given], cwd=project, code=2).stderr.decode()
    assert f"{what.replace('IT', path)} can't be read: it is a {kind}" in said


def test_an_output_to_check_that_is_a_pipe_is_stale(project: Path) -> None:
    run("build", cwd=project, code=0)
    (project / "out.wasm").unlink()
    os.mkfifo(project / "out.wasm")
    said = run("build", "--check", cwd=project, code=1).stderr.decode()
    assert "error[stale]: the output 'out.wasm' can't be read: it is a pipe" in said


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_file_of_options_is_a_file(project: Path, kind: str) -> None:
    path = os.fspath(put(project, kind))
    done = subprocess.run(
        [*WIZER, "in.wasm", "--config", path, "-o", "out.wasm"], cwd=project, capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert f"the file {path!r} can't be read: it is a {kind}" in done.stderr.decode()


def test_pipes_without_a_name_are_read(project: Path) -> None:
    """As those of a shell's <(...): somebody writes to them, who ends."""
    command = shlex.join(COMMAND)
    script = f"""
        {command} build <(cat in.wasm) -o out.wasm --report report.json &&
        {command} verify in.wasm out.wasm --from-report <(sleep 0.2; cat report.json) &&
        {command} inspect out.wasm --html page.html --from-report <(cat report.json) &&
        cat in.wasm | {command} build /dev/stdin -o again.wasm &&
        {command} inspect out.wasm --html page.html --from-report - < report.json &&
        {shlex.join(WIZER)} in.wasm -o wizer.wasm --config <(echo '[codegen]'; echo 'compiler = "winch"')
    """
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert (project / "again.wasm").read_bytes() == (project / "out.wasm").read_bytes()


def test_no_more_is_read_than_a_report_may_hold(project: Path) -> None:
    (project / "long").write_bytes(bytes(1001))
    with pytest.raises(OSError, match="it has more than 1,000 bytes"):
        read_bounded(project / "long", 1000)
    assert len(read_bounded(project / "long", 1001)) == 1001
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream, os.fdopen(reading):
        stream.write(bytes(1001))
        stream.flush()
        with pytest.raises(OSError, match="it has more than 1,000 bytes"):  # before it ends
            read_bounded(f"/dev/fd/{reading}", 1000)
        assert read_bounded(os.devnull, 1000) == b""


@pytest.mark.parametrize("kind", PLANTED)
def test_a_state_file_that_is_none_makes_the_build_a_first_one(project: Path, kind: str) -> None:
    PLANTED[kind](project / ".out.wasm.preinit-state")
    done = run("build", cwd=project, code=0)
    assert b"one: built" in done.stderr
    assert (project / "out.wasm").exists()


@pytest.mark.parametrize("kind", PLANTED)
def test_an_output_that_is_no_file_is_never_up_to_date(project: Path, kind: str) -> None:
    run("build", cwd=project, code=0)
    (project / "out.wasm").unlink()
    PLANTED[kind](project / "out.wasm")
    done = run("build", cwd=project, code=0 if "link" in kind and "nowhere" in kind else 1)
    assert b"up to date" not in done.stderr


@pytest.mark.parametrize("kind", PLANTED)
def test_a_batch_does_not_wait_for_a_record_that_is_none(tmp_path: Path, kind: str) -> None:
    path = workshop(tmp_path, {"one": "text"})
    (tmp_path / "out").mkdir()
    record = tmp_path / "out" / ".preinit-batch.jsonl"
    PLANTED[kind](record)
    said = run("batch", path, "--resume", code=1).stderr.decode()
    assert f"the record of what is up to date, '{record}', can't be written" in said
    assert not (tmp_path / "out" / "one.wasm").exists()


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_a_batch_does_not_wait_for_an_output_that_is_none(tmp_path: Path, kind: str) -> None:
    path = workshop(tmp_path, {"one": "text", "two": "text"})
    run("batch", path, code=0)
    (tmp_path / "out" / "one.wasm").unlink()
    PLANTED[kind](tmp_path / "out" / "one.wasm")
    said = run("batch", path, "--resume", code=2).stderr.decode()
    assert "the output 'one.wasm' is" in said
