"""Components in folders that may be written: wasi:filesystem as preview 1 has it, in the words of WASI 0.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preinit import Host
from preinit.engine.runtime import Deadline
from preinit.host.wasi2 import ComponentWorld

CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
READ, WRITE = 1, 2


class Guest:
    """Calls functions of wasi:filesystem, and of streams. `root`: the folder that it was given."""

    def __init__(self, folder: Path, writable: bool) -> None:
        self.world = ComponentWorld(
            Host(dirs={str(folder): "/data"}, writable=writable), Deadline(None), frozenset(), True
        )
        ((self.root, name),) = self.world.function("wasi:filesystem/preopens", "get-directories")()
        assert name == "/data"

    def __call__(self, name: str, *values: Any) -> Any:
        return self.world.function("wasi:filesystem/types", f"[method]descriptor.{name}")(*values)

    def open(self, path: str, how: int, flags: int) -> Any:
        return self("open-at", self.root, 0, path, how, flags)

    def write(self, stream: Any, data: bytes) -> Any:
        return self.world.function("wasi:io/streams", "[method]output-stream.blocking-write-and-flush")(stream, data)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    made = Guest(tmp_path, True)
    yield made
    made.world.close()


def given(answer: tuple[str, Any]) -> Any:
    assert answer[0] == "ok", answer
    return answer[1]


def test_a_file_is_created_written_at_places_and_appended_to(guest: Guest, tmp_path: Path) -> None:
    file = given(guest.open("new.txt", CREATE, READ | WRITE))
    assert guest("get-flags", file) == ("ok", READ | WRITE)
    assert guest("write", file, b"0123456789", 0) == ("ok", 10)
    stream = given(guest("write-via-stream", file, 2))
    assert guest.write(stream, b"ab") == guest.write(stream, b"cd") == ("ok", None)
    end = given(guest("append-via-stream", file))
    assert guest("set-size", file, 8) == ("ok", None)
    assert guest.write(end, b"!") == ("ok", None)
    assert guest("sync", file) == ("ok", None)
    assert (tmp_path / "new.txt").read_bytes() == b"01abcd67!"
    assert guest("read", file, 100, 6) == ("ok", (b"67!", True))
    assert guest.open("new.txt", CREATE | EXCLUSIVE, WRITE) == ("err", "exist")
    given(guest.open("new.txt", TRUNCATE, WRITE))
    assert (tmp_path / "new.txt").read_bytes() == b""


def test_a_stream_outlives_the_descriptor_that_it_came_from(guest: Guest, tmp_path: Path) -> None:
    file = given(guest.open("new.txt", CREATE, WRITE))
    stream = given(guest("write-via-stream", file, 0))
    drop = guest.world.resource("wasi:filesystem/types", "descriptor").destructor
    assert drop is not None
    drop(file)
    assert guest.write(stream, b"late") == ("ok", None)
    drop(stream)
    assert (tmp_path / "new.txt").read_bytes() == b"late"


def test_folders_and_links_are_made_renamed_and_removed(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert guest("create-directory-at", guest.root, "sub") == ("ok", None)
    assert guest("rename-at", guest.root, "a", guest.root, "sub/b") == ("ok", None)
    assert guest("symlink-at", guest.root, "sub/b", "link") == ("ok", None)
    assert guest("link-at", guest.root, 1, "link", guest.root, "hard") == ("ok", None)
    assert (tmp_path / "hard").read_text() == "a"
    assert guest("remove-directory-at", guest.root, "sub") == ("err", "not-empty")
    assert guest("unlink-file-at", guest.root, "sub/b") == ("ok", None)
    assert guest("remove-directory-at", guest.root, "sub") == ("ok", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hard", "link"]


def test_times_are_set_to_what_is_said_to_the_build_s_now_or_not_at_all(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    moment = ("timestamp", (5, 7))
    assert guest("set-times-at", guest.root, 0, "a", moment, ("no-change", None)) == ("ok", None)
    before = (tmp_path / "a").stat()
    assert before.st_atime_ns == 5 * 10**9 + 7
    file = given(guest.open("a", 0, WRITE))
    assert guest("set-times", file, ("no-change", None), ("now", None)) == ("ok", None)
    after = (tmp_path / "a").stat()
    assert after.st_atime_ns == before.st_atime_ns
    assert after.st_mtime_ns != before.st_mtime_ns  # the clock of a build stands still
    assert guest("set-times", file, ("timestamp", (1 << 62, 0)), ("no-change", None)) == ("err", "invalid")


CHANGES: dict[str, tuple[Callable[[Guest, Any], Any], str]] = {
    "writing": (lambda guest, file: guest("write", file, b"x", 0), "a"),
    "a stream": (lambda guest, file: guest("write-via-stream", file, 0), "a"),
    "appending": (lambda guest, file: guest("append-via-stream", file), "a"),
    "its size": (lambda guest, file: guest("set-size", file, 0), "a"),
    "its times": (lambda guest, file: guest("set-times", file, ("now", None), ("now", None)), "a"),
    "a folder": (lambda guest, _: guest("create-directory-at", guest.root, "new"), "a"),
    "removing": (lambda guest, _: guest("unlink-file-at", guest.root, "a"), "a"),
    "renaming": (lambda guest, _: guest("rename-at", guest.root, "a", guest.root, "b"), "a"),
    "a link": (lambda guest, _: guest("symlink-at", guest.root, "a", "b"), "a"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_without_the_option_nothing_is_changed(change: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    guest = Guest(tmp_path, False)
    function, name = CHANGES[change]
    assert function(guest, given(guest.open(name, 0, READ))) == ("err", "read-only")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]
    guest.world.close()


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("change", sorted(set(CHANGES) - {"writing", "a stream", "appending", "its size", "its times"}))
def test_a_folder_in_which_something_would_be_changed_was_asked_for(
    change: str, writable: bool, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("kept")
    for used in (False, True):
        guest = Guest(tmp_path, writable)
        if used:
            CHANGES[change][0](guest, None)
        facts = guest.world.settle(lambda frames: (), lambda frame: False)
        assert facts.folders_used == (("/data",) if used else ())
        guest.world.close()


def test_both_folders_between_which_something_would_be_moved_were_asked_for(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    host = Host(dirs={str(tmp_path / "one"): "/one", str(tmp_path / "two"): "/two"})
    for function, before in (("rename-at", ()), ("link-at", (0,))):
        world = ComponentWorld(host, Deadline(None), frozenset(), True)
        (one, _), (two, _) = world.function("wasi:filesystem/preopens", "get-directories")()
        moves = world.function("wasi:filesystem/types", f"[method]descriptor.{function}")
        assert moves(one, *before, "a", two, "b") == ("err", "read-only")
        assert world.settle(lambda frames: (), lambda frame: False).folders_used == ("/one", "/two")
        world.close()


def test_what_was_opened_to_be_read_is_not_written(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    file = given(guest.open("a", 0, READ))
    assert guest("write", file, b"x", 0) == ("err", "bad-descriptor")
    assert guest("set-size", file, 0) == ("err", "bad-descriptor")
    assert guest("write", guest.root, b"x", 0) == ("err", "is-directory")
    assert (tmp_path / "a").read_text() == "kept"


@pytest.mark.parametrize("path", ["../out", "/tmp/out", "away/out", "a\0b"])
def test_nothing_outside_of_the_folder_is_changed(guest: Guest, tmp_path: Path, path: str) -> None:
    (tmp_path / "away").symlink_to(tmp_path.parent)
    for answer in (
        guest.open(path, CREATE, WRITE),
        guest("create-directory-at", guest.root, path),
        guest("symlink-at", guest.root, "x", path),
        guest("symlink-at", guest.root, path, "new") if path.startswith((".", "/")) else ("err", "not-permitted"),
    ):
        assert answer in (("err", "not-permitted"), ("err", "invalid"))
    assert not (tmp_path.parent / "out").exists()


def test_a_stream_says_what_could_not_be_written(guest: Guest) -> None:
    file = given(guest.open("new.txt", CREATE, WRITE))
    stream = given(guest("write-via-stream", file, (1 << 63) - 1))
    answer = guest.write(stream, b"xx")
    assert answer[0] == "err"
    assert answer[1][0] == "last-operation-failed"
    assert answer[1][1].code == "file-too-large"
