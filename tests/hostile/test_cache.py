"""A cache folder in which somebody planted something: it is ignored, nothing is waited for, nothing else is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit.files.cache import Kind, read_entry, usable, write_entry
from preinit.files.marks import died, running
from tests.support.command import GOOD, assert_initialized, run
from tests.support.modules import wasm

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes of POSIX systems")

NAME = "0" * 64
Plant = Callable[[Path], object]


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def writable_by_all(path: Path) -> None:
    path.write_bytes(b"planted")
    path.chmod(0o666)


def linked(path: Path) -> None:
    target = path.parents[2] / "target"
    target.write_bytes(b"a file of the user's")
    path.symlink_to(target)


#: What can stand where a file is expected.
PLANTED: dict[str, Plant] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a file of a terabyte": sparse,
    "a link to a file": linked,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a file that all can write": writable_by_all,
    "an empty file": Path.touch,
}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    assert usable(folder) == str(folder)
    return folder


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_in_a_profile_s_place_is_not_read(cache: Path, kind: str) -> None:
    (cache / "profiles").mkdir(mode=0o700)
    PLANTED[kind](cache / "profiles" / NAME)
    assert not read_entry(cache, "profiles", NAME)
    write_entry(cache, "profiles", NAME, b"profile")
    assert read_entry(cache, "profiles", NAME) == (None if kind == "a folder" else b"profile")
    target = cache.parent / "target"
    assert not target.exists() or target.read_bytes() == b"a file of the user's"


@pytest.mark.parametrize("name", ["profiles", "modules", "running"])
@pytest.mark.parametrize("kind", ["a link to a folder", "a folder that all can write", "a pipe", "a file"])
def test_a_part_of_the_cache_that_is_not_the_user_s_own_folder_is_not_used(cache: Path, name: str, kind: str) -> None:
    place = cache / name
    kept = cache.parent / "documents"
    kept.mkdir()
    for number in range(100):
        (kept / f"{number:064x}").write_text("precious")
    if kind == "a link to a folder":
        place.symlink_to(kept)
    elif kind == "a folder that all can write":
        place.mkdir()
        place.chmod(0o777)
    elif kind == "a pipe":
        os.mkfifo(place)
    else:
        place.touch()
    if name == "running":
        with running(cache, [NAME]):
            assert not died(cache, NAME)
    else:
        kind_of_entry: Kind = "profiles" if name == "profiles" else "modules"
        write_entry(cache, kind_of_entry, NAME, b"entry")
        assert read_entry(cache, kind_of_entry, NAME) is None
    assert place.is_symlink() or not place.is_dir() or list(place.iterdir()) == []
    assert len(list(kept.iterdir())) == 100
    assert {path.read_text() for path in kept.iterdir()} == {"precious"}


def test_only_profiles_are_forgotten(cache: Path) -> None:
    write_entry(cache, "profiles", NAME, b"profile")
    folder = cache / "profiles"
    (folder / "notes.txt").write_text("precious")
    os.utime(folder / "notes.txt", (0, 0))
    (folder / ("f" * 64)).mkdir()
    (folder / ("e" * 64)).symlink_to("nothing")
    for number in range(70):
        write_entry(cache, "profiles", f"{number:064d}", b"profile")
    assert (folder / "notes.txt").read_text() == "precious"
    assert (folder / ("f" * 64)).is_dir()
    assert len([path for path in folder.iterdir() if path.is_file()]) == 64 + 1


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link to a device", "a file of a terabyte"])
def test_a_build_with_a_planted_cache_is_a_build_without(cache: Path, tmp_path: Path, engine: str, kind: str) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    arguments = ["build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", "--engine", engine]
    run(*arguments, code=0, PREINIT_CACHE_DIR=str(cache))
    for path in [*cache.glob("profiles/*"), *cache.glob("modules/*")]:
        path.unlink(missing_ok=True)
        PLANTED[kind](path)
    (tmp_path / "out.wasm").unlink()
    done = run(*arguments, code=0, PREINIT_CACHE_DIR=str(cache))
    assert b"Traceback" not in done.stderr
    assert_initialized((tmp_path / "out.wasm").read_bytes())
