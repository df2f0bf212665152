"""Compiled code is kept in a folder of the user's own, or nowhere."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import stat
from pathlib import Path

import pytest

from preinit import Options, build
from preinit.engine.code import DAMAGED, ENDED
from preinit.errors import GuestTrap
from preinit.files.cache import VARIABLE, default_folder, read_entry, usable, write_entry
from preinit.files.marks import died, running
from preinit.report.text import summary
from tests.support.modules import wasm

TINY = """(module (memory (export "memory") 1) (func (export "wizer-initialize") (i32.store (i32.const 0) (i32.const 7))))"""


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
    assert default_folder() == "/elsewhere/cache"


@pytest.mark.skipif(os.name != "posix", reason="the folders of POSIX systems")
def test_without_the_variable_the_folder_is_the_platform_s(no_variables: pytest.MonkeyPatch) -> None:
    assert default_folder() is None
    no_variables.setattr("sys.platform", "linux")
    no_variables.setenv("HOME", "/home/somebody")
    assert default_folder() == "/home/somebody/.cache/preinit"
    no_variables.setenv("XDG_CACHE_HOME", "/var/tmp/cache")
    assert default_folder() == "/var/tmp/cache/preinit"
    no_variables.setenv("XDG_CACHE_HOME", "relative/is/to/be/ignored")
    assert default_folder() == "/home/somebody/.cache/preinit"
    no_variables.setattr("sys.platform", "darwin")
    assert default_folder() == "/home/somebody/Library/Caches/preinit"


def kept(folder: Path) -> bool:
    """Whether a build would keep something in its cache folder."""
    place = usable(folder)
    if place is None:
        return False
    write_entry(place, "modules", "0" * 64, b"entry")
    return read_entry(place, "modules", "0" * 64) == b"entry"


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    before = os.umask(0)
    try:
        assert kept(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "modules").stat().st_mode) == 0o700


def test_a_folder_name_with_quotes_and_spaces_is_a_name_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" \\ cäche\tfolder'
    assert kept(folder)
    expected = build(wasm(TINY), Options(cache=False)).wasm
    assert build(wasm(TINY), Options(cache_dir=str(folder))).wasm == expected


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    assert not kept(folder)
    assert build(wasm(TINY), Options(cache_dir=str(folder))).report.runs
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_nothing_is_made_in_the_home_of_somebody_else(tmp_path: Path, no_variables: pytest.MonkeyPatch) -> None:
    """With `sudo -E`, HOME is that of the user who is root now."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    no_variables.setenv("HOME", str(home))
    report = build(wasm(TINY), Options()).report
    assert report.engine.not_kept == f"'{home}' belongs to another user"
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert not kept(folder)


def test_a_symbolic_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "target")
    assert not kept(tmp_path / "cache")


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
    assert any({"modules", "profiles"} & set(path.parts) for path in files(tmp_path))


def test_without_a_cache_nothing_is_written(tmp_path: Path, no_variables: pytest.MonkeyPatch) -> None:
    no_variables.setenv(VARIABLE, str(tmp_path / "cache"))
    build(wasm(TINY), Options(cache=False))
    assert list(tmp_path.iterdir()) == []


def test_damaged_entries_are_not_run(tmp_path: Path) -> None:
    options = Options(cache_dir=str(tmp_path / "cache"))
    expected = build(wasm(TINY), options).wasm
    for path in files(tmp_path / "cache" / "modules"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert build(wasm(TINY), options).wasm == expected


def test_a_folder_under_one_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Whoever can write to the parent can put another folder in its place."""
    (tmp_path / "open" / "cache").mkdir(parents=True, mode=0o700)
    (tmp_path / "open").chmod(0o777)
    assert not kept(tmp_path / "open" / "cache")
    (tmp_path / "open").chmod(0o1777)  # as /tmp: only its owner can move it
    assert kept(tmp_path / "open" / "cache")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX systems")
def test_the_folder_is_named_as_it_was_checked(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert usable(tmp_path / "link" / "cache") == str((tmp_path / "real" / "cache").resolve())


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
    assert said_of(tmp_path / "file") == f"'{tmp_path / 'file'}' is not a folder"
    assert said_of(tmp_path / "file" / "cache") == f"'{tmp_path / 'file'}' is not a folder"
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


# -- code is checked before it is run ----------------------------------------------------------------------------------

#: Large enough to be compiled on demand if that is asked for, and small enough to be compiled often.
COUNTS = """(module (memory (export "memory") 1) (table 2 funcref) (elem (i32.const 0) $one $two)
  (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
  (func (export "wizer-initialize")
    (i32.store (i32.const 0) (i32.add (call_indirect (result i32) (i32.const 0))
                                      (call_indirect (result i32) (i32.const 1))))))"""


def options_for(folder: Path, engine: str) -> Options:
    return Options(cache_dir=str(folder), engine="whole" if engine == "whole" else "ondemand")


def entry_of(folder: Path, engine: str) -> Path:
    (entry,) = files(folder / ("modules" if engine == "whole" else "profiles"))
    return entry


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_one_flipped_bit_is_noticed_before_the_code_runs(tmp_path: Path, engine: str) -> None:
    options = options_for(tmp_path / "cache", engine)
    expected = build(wasm(COUNTS), options).wasm
    entry = entry_of(tmp_path / "cache", engine)
    good = entry.read_bytes()
    assert build(wasm(COUNTS), options).report.engine.compiled_anew == ""
    chosen = random.Random(20)
    for place in [0, len(good) - 1, *(chosen.randrange(len(good)) for _ in range(20))]:
        entry.write_bytes(good[:place] + bytes([good[place] ^ 1 << chosen.randrange(8)]) + good[place + 1 :])
        result = build(wasm(COUNTS), options)
        assert (result.wasm, result.report.engine.compiled_anew) == (expected, DAMAGED)
        assert "compiled anew: the code in the cache is damaged" in summary(result.report)
        assert entry.read_bytes() != b""
        assert build(wasm(COUNTS), options).report.engine.compiled_anew == ""  # it was replaced


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_code_of_another_module_is_not_run(tmp_path: Path, engine: str) -> None:
    """A whole entry under a wrong name."""
    other = COUNTS.replace("(i32.const 2))", "(i32.const 3))").replace('"memory") 1)', '"memory") 2)')
    build(wasm(other), options_for(tmp_path / "other", engine))
    expected = build(wasm(COUNTS), options_for(tmp_path / "cache", engine)).wasm
    entry = entry_of(tmp_path / "cache", engine)
    entry.write_bytes(entry_of(tmp_path / "other", engine).read_bytes())
    result = build(wasm(COUNTS), options_for(tmp_path / "cache", engine))
    assert result.wasm == expected
    assert result.report.engine.compiled_anew == DAMAGED


def die_while_running(folder: str, name: str) -> None:
    with running(Path(folder), [name]):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX systems")
@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_code_that_ended_its_process_is_compiled_anew(tmp_path: Path, engine: str) -> None:
    options = options_for(tmp_path / "cache", engine)
    expected = build(wasm(COUNTS), options).wasm
    entry = entry_of(tmp_path / "cache", engine)
    process = multiprocessing.get_context("spawn").Process(
        target=die_while_running, args=(str(tmp_path / "cache"), entry.name)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    result = build(wasm(COUNTS), options)
    assert (result.wasm, result.report.engine.compiled_anew) == (expected, ENDED)
    assert build(wasm(COUNTS), options).report.engine.compiled_anew == ""
    assert files(tmp_path / "cache" / "running") == []


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX systems")
def test_code_that_is_running_now_is_trusted(tmp_path: Path) -> None:
    folder = usable(tmp_path / "cache")
    assert folder
    with running(folder, ["a" * 64, "b" * 64]):
        assert not died(folder, "a" * 64)
        with running(folder, ["a" * 64]):
            assert not died(folder, "a" * 64)
        assert len(files(Path(folder, "running"))) == 2
    assert not died(folder, "a" * 64)
    assert files(Path(folder, "running")) == []


def test_code_that_fails_in_an_orderly_way_is_trusted(tmp_path: Path) -> None:
    trap = COUNTS.replace("(i32.store", "(unreachable) (i32.store")
    for _ in range(3):
        with pytest.raises(GuestTrap):
            build(wasm(trap), options_for(tmp_path / "cache", "whole"))
    assert files(tmp_path / "cache" / "running") == []
    assert entry_of(tmp_path / "cache", "whole")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder that is used can't be removed")
def test_a_relative_folder_where_the_current_one_is_gone_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert usable("cache") is None
    assert build(wasm(TINY), Options(cache_dir="cache", engine="ondemand")).wasm
