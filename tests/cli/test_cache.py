"""`preinit cache`: what is kept between builds, and how it is removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.command import GOOD, run


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache in which a build has left something, and somebody else a file."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    built(tmp_path, folder)
    (folder / "theirs").write_text("kept")
    return folder


def built(place: Path, cache: Path) -> bytes:
    (place / "good.wat").write_text(GOOD)
    run("build", place / "good.wat", "-o", place / "out.wasm", code=0, PREINIT_CACHE_DIR=str(cache))
    return (place / "out.wasm").read_bytes()


def said(cache: Path, what: str, code: int = 0) -> str:
    done = run("cache", what, code=code, PREINIT_CACHE_DIR=str(cache))
    return (done.stdout if code == 0 else done.stderr).decode()


def test_info_says_where_the_cache_is_and_how_much_is_in_it(cache: Path) -> None:
    lines = said(cache, "info").splitlines()
    assert lines[0] == str(cache)
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "compiled modules",
        "functions that initializers called",
        "outputs that were found valid",
    ]
    assert not lines[1].endswith("0 bytes")


def test_clear_removes_what_builds_left_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    before = (tmp_path / "out.wasm").read_bytes()
    assert said(cache, "clear").startswith("removed ")
    assert (cache / "theirs").read_text() == "kept"
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name != "theirs"]
    assert "compiled modules: 0 files, 0 bytes" in said(cache, "info")
    assert built(tmp_path, cache) == before


def test_clear_follows_no_link(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ("a" * 64)).write_text("kept")
    said(cache, "clear")
    for kind in ("modules", "profiles", "running"):
        if (cache / kind).exists():
            shutil.rmtree(cache / kind)
        (cache / kind).symlink_to(elsewhere)
    said(cache, "clear")
    assert (elsewhere / ("a" * 64)).read_text() == "kept"


def test_nothing_is_made_where_there_is_no_cache(tmp_path: Path) -> None:
    assert said(tmp_path / "none", "info") == f"{tmp_path / 'none'}: nothing yet\n"
    assert said(tmp_path / "none", "clear") == "nothing to remove\n"
    assert not (tmp_path / "none").exists()


def test_what_can_be_no_cache_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for place, why in (("file", "is not a folder"), ("file/below", "is not a folder"), ("link", "is a link")):
        assert why in said(tmp_path / place, "info")
        assert why in said(tmp_path / place, "clear", code=2)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_others_can_write_to_is_not_touched(cache: Path) -> None:
    cache.chmod(0o777)
    assert "not used: " in said(cache, "info")
    before = sorted(cache.rglob("*"))
    assert "can be written by others" in said(cache, "clear", code=2)
    assert sorted(cache.rglob("*")) == before
