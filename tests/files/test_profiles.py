"""How many profiles are kept, and which are taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preinit.files import cache
from tests.support.both_engines import VARIED, built, files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def names(folder: Path) -> list[str]:
    """The first letters of the kept profiles' names: all are 64 hexadecimal digits."""
    return [path.name[0] for path in files(folder)]


def write(folder: Path, name: str, size: int, age: int) -> None:
    cache.write_entry(folder, "profiles", name * 64, bytes(size))
    path = folder / "profiles" / (name * 64)
    if path.exists():
        os.utime(path, (1e9 - age, 1e9 - age))


def test_only_so_many_profiles_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cache._MOST, "profiles", 3)
    folder.mkdir(mode=0o700)
    for number, name in enumerate("abcde"):
        write(folder, name, 10, age=100 - number)
    assert names(folder) == ["c", "d", "e"]
    assert cache.read_entry(folder, "profiles", "c" * 64) == bytes(10)  # now it was used last
    write(folder, "f", 10, age=0)
    assert names(folder) == ["c", "e", "f"]


def test_only_so_many_bytes_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_BYTES", 100)
    folder.mkdir(mode=0o700)
    for number, (name, size) in enumerate({"a": 40, "b": 30, "c": 30}.items()):
        write(folder, name, size, age=100 - number)
    assert names(folder) == ["a", "b", "c"]
    write(folder, "d", 41, age=0)
    assert names(folder) == ["c", "d"]
    write(folder, "e", 101, age=0)  # it would push out all others, and go itself
    assert names(folder) == ["c", "d"]


def test_a_profile_that_can_not_be_marked_as_used_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    folder.mkdir(mode=0o700)
    write(folder, "a", 10, age=0)
    monkeypatch.setattr("preinit.files.cache.os.utime", refuse)
    assert cache.read_entry(folder, "profiles", "a" * 64) == bytes(10)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_profiles_that_others_could_have_written_are_not_used(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    write(folder, "a", 10, age=0)
    (folder / "profiles").chmod(0o777)
    assert cache.read_entry(folder, "profiles", "a" * 64) is None
    cache.write_entry(folder, "profiles", "b", b"new")
    assert names(folder) == ["a"]


def test_builds_keep_no_more_than_that(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cache._MOST, "profiles", 2)
    for number in range(4):
        assert built(folder, VARIED.replace("(memory 1)", f"(memory {number + 1})")).wasm
    assert len(files(folder)) == 2
