"""Compiled code is kept in a folder of the user's own, or nowhere."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from preinit import Options, build
from preinit.files.cache import VARIABLE, default_folder, engine_configuration, usable
from preinit.report.text import summary
from tests.support.modules import wasm

TINY = """(module (memory 1) (func (export "wizer-initialize") (i32.store (i32.const 0) (i32.const 7))))"""


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (VARIABLE, "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_variable_names_the_folder(no_variables: pytest.MonkeyPatch) -> None:
    no_variables.setenv("HOME", "/home/somebody")
    no_variables.setenv(VARIABLE, "/elsewhere/cache")
    assert default_folder() == Path("/elsewhere/cache")


@pytest.mark.skipif(os.name != "posix", reason="the folders of POSIX systems")
def test_without_the_variable_the_folder_is_the_platform_s(no_variables: pytest.MonkeyPatch) -> None:
    assert default_folder() is None
    no_variables.setattr("sys.platform", "linux")
    no_variables.setenv("HOME", "/home/somebody")
    assert default_folder() == Path("/home/somebody/.cache/preinit")
    no_variables.setenv("XDG_CACHE_HOME", "/var/tmp/cache")
    assert default_folder() == Path("/var/tmp/cache/preinit")
    no_variables.setenv("XDG_CACHE_HOME", "relative/is/to/be/ignored")
    assert default_folder() == Path("/home/somebody/.cache/preinit")
    no_variables.setattr("sys.platform", "darwin")
    assert default_folder() == Path("/home/somebody/Library/Caches/preinit")


def configured(folder: Path) -> str | None:
    """What a build does with its cache folder."""
    place = usable(folder)
    return engine_configuration(place) if place else None


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    before = os.umask(0)
    try:
        configuration = configured(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert configuration == str(folder / "wasmtime.toml")
    text = Path(configuration).read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"cache": {"directory": str(folder / "wasmtime")}}


def test_a_folder_name_with_quotes_and_spaces_is_a_name_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" \\ cäche\tfolder'
    configuration = configured(folder)
    assert configuration is not None
    text = Path(configuration).read_text(encoding="utf-8")
    assert tomllib.loads(text)["cache"]["directory"] == str(folder / "wasmtime")


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    assert configured(folder) is None
    assert build(wasm(TINY), Options(cache_dir=str(folder))).report.runs
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert configured(folder) is None


def test_a_symbolic_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "target")
    assert configured(tmp_path / "cache") is None


@pytest.mark.parametrize("place", ["file/cache", "file", "a\nb/cache", "a" * 300])
def test_a_home_that_can_not_be_used_is_no_error(tmp_path: Path, place: str, no_variables: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    no_variables.setenv(VARIABLE, str(tmp_path / place))
    assert build(wasm(TINY), Options()).report.snapshot.memories[0].bytes_written == 1


def test_no_home_at_all_is_no_error(no_variables: pytest.MonkeyPatch) -> None:
    assert build(wasm(TINY), Options()).report.snapshot.memories[0].bytes_written == 1


def test_a_second_build_gives_the_same_bytes(tmp_path: Path) -> None:
    options = Options(cache_dir=str(tmp_path / "cache"))
    outputs = {build(wasm(TINY), options).wasm for _ in range(3)}
    assert outputs == {build(wasm(TINY), Options(cache=False)).wasm}
    assert any({"wasmtime", "profiles"} & set(path.parts) for path in files(tmp_path))


def test_without_a_cache_nothing_is_written(tmp_path: Path, no_variables: pytest.MonkeyPatch) -> None:
    no_variables.setenv(VARIABLE, str(tmp_path / "cache"))
    build(wasm(TINY), Options(cache=False))
    assert list(tmp_path.iterdir()) == []


def test_damaged_entries_are_not_run(tmp_path: Path) -> None:
    options = Options(cache_dir=str(tmp_path / "cache"))
    expected = build(wasm(TINY), options).wasm
    for path in files(tmp_path / "cache" / "wasmtime"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert build(wasm(TINY), options).wasm == expected


def test_a_folder_under_one_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Whoever can write to the parent can put another folder in its place."""
    (tmp_path / "open" / "cache").mkdir(parents=True, mode=0o700)
    (tmp_path / "open").chmod(0o777)
    assert configured(tmp_path / "open" / "cache") is None
    (tmp_path / "open").chmod(0o1777)  # as /tmp: only its owner can move it
    assert configured(tmp_path / "open" / "cache")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX systems")
def test_the_folder_is_named_as_it_was_checked(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert usable(tmp_path / "link" / "cache") == (tmp_path / "real" / "cache").resolve()


# -- what the summary says ---------------------------------------------------------------------------------------------


def said_of(folder: Path) -> str:
    """Why nothing was kept there, as the summary of a build says; nothing if it was kept."""
    report = build(wasm(TINY), Options(cache_dir=str(folder))).report
    said = [line for line in summary(report) if line.startswith("compiled code is not kept: ")]
    assert report.warnings == ()  # it is nothing that a strict build should fail for
    assert said == ([f"compiled code is not kept: {report.engine.not_kept}"] if report.engine.not_kept else [])
    return report.engine.not_kept


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_the_summary_says_why_nothing_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert said_of(folder) == ""
    folder.chmod(0o770)
    assert said_of(folder) == f"'{folder}' can be written by others"
    (tmp_path / "link").symlink_to(tmp_path)
    assert said_of(tmp_path / "link") == f"'{tmp_path / 'link'}' is a link"
    (tmp_path / "file").touch()
    assert said_of(tmp_path / "file") == f"'{tmp_path / 'file'}' is no folder"
    assert said_of(tmp_path / "file" / "cache") == f"'{tmp_path / 'file' / 'cache'}' can't be used: Not a directory"
    (tmp_path / "open" / "cache").mkdir(parents=True, mode=0o700)
    (tmp_path / "open").chmod(0o777)
    assert said_of(tmp_path / "open" / "cache") == f"'{tmp_path / 'open'}' can be written by others"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_the_summary_says_that_a_folder_is_somebody_else_s(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    assert said_of(tmp_path) == f"'{tmp_path}' belongs to another user"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_the_summary_says_that_a_folder_can_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert said_of(tmp_path) == f"'{tmp_path}' can't be written"


def test_nothing_is_said_where_nothing_was_to_be_kept(no_variables: pytest.MonkeyPatch) -> None:
    assert build(wasm(TINY), Options(cache=False)).report.engine.not_kept == ""
    assert "no home folder" in build(wasm(TINY), Options()).report.engine.not_kept
