"""What is no file where a file should be: nothing is waited for, and what it is, is said."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.batches import workshop
from tests.support.command import GOOD, run
from tests.support.modules import wasm

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
