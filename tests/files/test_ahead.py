"""Large outputs are written while they are validated: nobody sees one that is not wanted in the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit.binary import encoder as write
from preinit.binary.rope import Rope
from preinit.files.ahead import Ahead
from tests.support.command import GOOD, run
from tests.support.modules import wasm

#: More than is written at once.
LARGE = bytes(range(256)) * (20 << 10)
MODULE = wasm(GOOD) + b"".join(write.custom_section("notes", LARGE))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.write_bytes(b"before")
    path.chmod(0o640)
    return path


def alone(path: Path) -> bool:
    """Whether nothing is beside it."""
    return [*path.parent.iterdir()] == [path]


def test_what_was_written_ahead_takes_the_targets_place_at_the_end(target: Path) -> None:
    ahead, output = Ahead(str(target)), Rope([LARGE, b"and", memoryview(LARGE)[5:]])
    ahead.begin(output)
    assert target.read_bytes() == b"before"
    assert ahead.finish(output)
    assert target.read_bytes() == output.joined()
    assert alone(target)
    if os.name == "posix":
        assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_discarded_leaves_nothing(target: Path) -> None:
    ahead = Ahead(str(target))
    ahead.begin(Rope([LARGE]))
    ahead.discard()
    ahead.discard()
    assert target.read_bytes() == b"before"
    assert alone(target)
    assert not ahead.finish(Rope([LARGE]))


def test_of_several_outputs_the_last_counts(target: Path) -> None:
    ahead, first, last = Ahead(str(target)), Rope([LARGE]), Rope([LARGE, b"last"])
    ahead.begin(first)
    ahead.begin(last)
    assert ahead.finish(last)
    assert target.read_bytes() == last.joined()
    ahead.begin(first)
    assert not ahead.finish(last)
    assert target.read_bytes() == last.joined()
    assert alone(target)


def test_what_was_joined_meanwhile_is_the_same_output(target: Path) -> None:
    ahead, output = Ahead(str(target)), Rope([LARGE, b"and"])
    ahead.begin(output)
    output.joined()
    assert ahead.finish(output)
    assert target.read_bytes() == LARGE + b"and"


def vanish(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()
    path.parent.rmdir()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("happens", [vanish, become_a_folder])
@pytest.mark.parametrize("before", [True, False])
def test_where_it_cannot_be_written_whoever_writes_it_finds_out_why(
    happens: Callable[[Path], None], before: bool, tmp_path: Path
) -> None:
    target = tmp_path / "folder" / "out"
    target.parent.mkdir()
    target.write_bytes(b"before")
    ahead, output = Ahead(str(target)), Rope([LARGE])
    if before:
        happens(target)
        ahead.begin(output)
    else:
        ahead.begin(output)
        assert ahead._work
        ahead._work._thread.join()
        happens(target)
    assert not ahead.finish(output)
    assert not [*tmp_path.rglob("*.partial")]


def test_an_interrupt_at_the_end_leaves_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    ahead, output = Ahead(str(target)), Rope([LARGE])
    ahead.begin(output)
    with pytest.raises(KeyboardInterrupt):
        ahead.finish(output)
    ahead.discard()
    assert target.read_bytes() == b"before"
    assert alone(target)


#: Notes the number of files in the first folder that it is given.
COUNTING = """(module
  (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "wizer-initialize")
    (drop (call $list (i32.const 3) (i32.const 64) (i32.const 4096) (i64.const 0) (i32.const 0))))
  (func (export "run")))"""


def test_a_guest_that_is_run_again_to_verify_it_does_not_find_the_output(tmp_path: Path) -> None:
    source, folder = tmp_path / "in.wasm", tmp_path / "folder"
    source.write_bytes(wasm(COUNTING) + MODULE[len(wasm(GOOD)) :])
    folder.mkdir()
    run("build", source, "-o", folder / "out.wasm", "--dir", f"{folder}::/", "--verify", code=0)
    assert alone(folder / "out.wasm")


def test_small_outputs_and_streams_are_not_written_ahead(target: Path) -> None:
    for path, output in ((str(target), Rope([b"small"])), ("-", Rope([LARGE])), (os.devnull, Rope([LARGE]))):
        ahead = Ahead(path)
        ahead.begin(output)
        assert not ahead.finish(output)
    assert target.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("options", "fails"),
    [((), False), (("--verify",), False), (("--max-size", "1M"), True), (("-f", "missing"), True)],
)
def test_a_failed_build_leaves_the_target_and_nothing_beside_it(
    options: tuple[str, ...], fails: bool, target: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("in") / "in.wasm"
    source.write_bytes(MODULE)
    done = run("build", source, "-o", target, *options)
    assert (done.returncode != 0) == fails, done.stderr
    assert target.read_bytes().startswith(b"before" if fails else b"\0asm")
    assert alone(target)
