"""What the guest was given and never asked for has a line in the summary: a misspelled name shows there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preinit import errors
from preinit.options import Host
from preinit.report.text import summary
from preinit.result import Report
from tests.support.command import run
from tests.support.modules import build_text, wasm
from tests.support.wasi_guest import make_folder, needs_folders

W = '(import "wasi_snapshot_preview1"'
GUEST = f"""(module
  (import "telemetry" "event" (func $event (param i32)))
  (import "host" "fetch" (func $fetch (param i32) (result i32)))
  {W} "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  {W} "args_sizes_get" (func $args (param i32 i32) (result i32)))
  {W} "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  {W} "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  {W} "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  {W} "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  {W} "fd_filestat_set_times" (func $touch (param i32 i64 i64 i32) (result i32)))
  {W} "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "nothing.txt") (data (i32.const 64) "\\80\\00\\00\\00\\08\\00\\00\\00")
  (func (export "environ") (drop (call $environ (i32.const 256) (i32.const 260))))
  (func (export "args") (drop (call $args (i32.const 256) (i32.const 260))))
  (func (export "stdin") (drop (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 256))))
  (func (export "second") (drop (call $stat (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 11) (i32.const 256))))
  (func (export "mkdir") (drop (call $mkdir (i32.const 4) (i32.const 0) (i32.const 7))))
  (func (export "touch") (drop (call $touch (i32.const 4) (i64.const 0) (i64.const 0) (i32.const 2))))
  (func (export "rename")
    (drop (call $rename (i32.const 3) (i32.const 0) (i32.const 7) (i32.const 4) (i32.const 0) (i32.const 11))))
  (func (export "folders") (drop (call $prestat (i32.const 3) (i32.const 256)))
    (drop (call $prestat (i32.const 4) (i32.const 256))))
  (func (export "event") (call $event (i32.const 1)))
  (func (export "fetch") (drop (call $fetch (i32.const 1))))
  (func (export "nothing")) (func (export "run")))"""

STUBS = [("telemetry.event", "zero"), ("host.fetch", "zero")]


def report(*calls: str, **options: Any) -> Report:
    return build_text(GUEST, init_funcs=list(calls), **options).report


@pytest.mark.parametrize(
    ("host", "asks", "shown"),
    [
        (Host(env={"MODE": "prod", "B": "2"}), "environ", ("--env MODE", "--env B")),
        (Host(args=("program", "two words")), "args", ("--arg program", "--arg 'two words'")),
        (Host(stdin=b"abc"), "stdin", ("--stdin",)),
    ],
)
def test_what_was_not_asked_for_is_listed_as_it_is_written_without_values(
    host: Host, asks: str, shown: tuple[str, ...]
) -> None:
    assert report("nothing", host=host).unused == shown
    assert report(asks, host=host).unused == ()
    assert f"never asked for: {', '.join(shown)}" in summary(report("nothing", host=host))
    assert not any("never asked for" in line for line in summary(report(asks, host=host)))


@needs_folders
def test_a_folder_that_is_noted_and_not_looked_into_was_not_asked_for(tmp_path: Path) -> None:
    folder = str(make_folder(tmp_path))
    host = Host(dirs=[(folder, "/a"), (folder, "/b")])
    assert report("folders", host=host).unused == (f"--dir {folder}::/a", f"--dir {folder}::/b")
    assert report("second", host=host).unused == (f"--dir {folder}::/a",)


@needs_folders
@pytest.mark.parametrize("writable", [False, True])
def test_a_folder_in_which_something_would_be_changed_was_asked_for(writable: bool, tmp_path: Path) -> None:
    folder = str(make_folder(tmp_path))
    host = Host(dirs=[(folder, "/a"), (folder, "/b")], writable=writable)
    assert report("mkdir", host=host).unused == (f"--dir {folder}::/a",)
    assert report("touch", host=host).unused == (f"--dir {folder}::/a",)
    assert report("rename", host=host).unused == ()


def test_stubs_that_were_not_called_are_listed_and_those_that_only_forbid_are_not() -> None:
    assert report("nothing", stubs=STUBS).unused == ("--stub telemetry.event=zero", "--stub host.fetch=zero")
    assert report("event", stubs=STUBS).unused == ("--stub host.fetch=zero",)
    assert report("nothing", stubs=[("host.fetch", "trap")]).unused == ()


def test_a_stub_for_many_functions_was_used_if_one_of_them_was_called() -> None:
    assert report("nothing", stubs=[("host.*", "zero")]).unused == ("--stub 'host.*=zero'",)
    assert report("fetch", stubs=[("host.*", "zero")]).unused == ()


def test_a_preloaded_module_of_which_nothing_was_called_is_listed() -> None:
    preloads = {"host": wasm('(module (func (export "fetch") (param i32) (result i32) (i32.const 1)))')}
    assert report("nothing", preloads=preloads).unused == ("--preload host=FILE",)
    assert report("fetch", preloads=preloads).unused == ()


def test_a_preloaded_memory_is_in_use_whatever_is_called() -> None:
    beside = wasm('(module (memory (export "m") 1) (func (export "f")))')
    text = '(module (import "lib" "m" (memory 1)) (import "lib" "f" (func)) (func (export "init")))'
    assert build_text(text, init_funcs=["init"], preloads={"lib": beside}).report.unused == ()


def test_the_command_says_it_and_the_json_report_has_it(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GUEST))
    outputs = ("-o", tmp_path / "out.wasm", "--report", tmp_path / "r.json")
    done = run("build", tmp_path / "in.wasm", "-f", "nothing", "--env", "SECRET=12345678", *outputs, code=0)
    assert "never asked for: --env SECRET\n" in done.stderr.decode()
    read = Report.from_json((tmp_path / "r.json").read_bytes())
    assert read.unused == ("--env SECRET",)
    assert "12345678" not in (tmp_path / "r.json").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stubs": [("telemetry.evnet", "zero")]}, "'telemetry.event'"),
        ({"stubs": [("hosts.*", "zero")]}, "'host.fetch'"),
        ({"preloads": {"hots": wasm('(module (func (export "fetch")))')}}, "'host'"),
        ({"import_globals": {"env.bsae": "1"}}, "It imports none"),
    ],
)
def test_a_misspelled_import_is_refused_with_those_that_there_are(options: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.Misfit) as caught:
        report("nothing", **options)
    assert said in (caught.value.hint or "")


def test_of_imported_globals_the_likely_one_comes_first() -> None:
    text = '(module (import "a" "b" (global i32)) (import "env" "base" (global i32)) (func (export "init")))'
    with pytest.raises(errors.Misfit) as caught:
        build_text(text, init_funcs=["init"], import_globals={"env.bsae": "1"})
    assert "It imports 'env.base', 'a.b'." in (caught.value.hint or "")
