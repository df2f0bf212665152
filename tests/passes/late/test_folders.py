"""Folders that only instances have: libc has their place from the build, and their files when it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit import Host, Result, build
from preinit.binary.module import parse
from preinit.errors import LateFolderOpened, UsageError
from preinit.report.text import summary
from preinit.verification import verify
from tests.support.places import ROOT
from tests.support.worlds import in_node, in_wasmtime

FOLDERS = ROOT / "fixtures/world/folders.wasm"
HOSTS = pytest.mark.parametrize("run", [in_wasmtime, in_node])
BOTH = pytest.mark.parametrize("late", ["/data", "/data::refuse"])


def built(init: str = "list", **options: object) -> Result:
    given = {"init_funcs": [init], "rename_funcs": {"_start": "read"}, "cache": False, "quiet_guest": True, **options}
    return build(FOLDERS, **given)  # type: ignore[arg-type]


@HOSTS
@BOTH
def test_an_instance_reads_files_of_a_folder_that_the_build_did_not_have(
    tmp_path: Path, run: Callable[..., str], late: str
) -> None:
    result = built(late_dirs=[late])
    (tmp_path / "note").write_text("of the instance")
    assert run(result.wasm, dirs=[(str(tmp_path), "/data")]) == "of the instance\n"
    assert result.report.host.late_folders == ("/data",)
    assert not result.report.warnings
    assert "late: each instance gets its folders in this order: --dir HOST::/data" in summary(result.report)
    assert not any("frozen" in line for line in summary(result.report))


def test_without_it_libc_keeps_that_there_are_no_folders(tmp_path: Path) -> None:
    result = built()
    (tmp_path / "note").write_text("of the instance")
    assert in_wasmtime(result.wasm, dirs=[(str(tmp_path), "/data")]) == "nothing\n"
    assert [warning.code for warning in result.report.warnings] == ["folders-frozen"]


def test_folders_of_the_build_come_first(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "note").write_text(folder.name)
    result = built(late_dirs=["/data"], dirs={str(first): "/lib"})
    assert in_wasmtime(result.wasm, dirs=[(str(first), "/lib"), (str(second), "/data")]) == "second\n"
    (warning,) = result.report.warnings
    assert warning.code == "folders-frozen"
    assert warning.hint.index("/lib") < warning.hint.index("/data")


@BOTH
def test_files_that_are_opened_there_while_it_is_built_are_an_error(late: str) -> None:
    with pytest.raises(LateFolderOpened) as caught:
        built("read", late_dirs=[late], rename_funcs={})
    assert "opened 1 path in a folder that only instances have: /data/note" in str(caught.value)


@BOTH
def test_what_was_only_asked_for_is_warned_of(late: str) -> None:
    result = built("ask", late_dirs=[late])
    (warning,) = result.report.warnings
    assert warning.code == "late-folder-asked" and "asked for /data/note" in warning.message


def test_asking_is_answered_as_it_was_chosen() -> None:
    printed: dict[str, bytes] = {}
    for late in ("/data", "/data::refuse"):
        output = bytearray()
        built("ask", host=Host(late_dirs=[late], stdout=output.extend), quiet_guest=False)
        printed[late] = bytes(output)
    assert printed == {"/data": b"No such file or directory\n", "/data::refuse": b"Permission denied\n"}


def test_the_output_says_which_folders_it_must_be_given(tmp_path: Path) -> None:
    module = parse(built(late_dirs=["/data"], dirs={str(tmp_path): "/lib"}, late=["env"]).wasm)
    section = module.custom("preinit.late")
    assert section
    said = json.loads(module.data[section.content : section.end])
    assert said == {"environment": "unneeded", "folders": ["/lib", "/data"]}


def test_an_output_with_late_folders_is_verified() -> None:
    options = {"init_funcs": ["list"], "rename_funcs": {"_start": "read"}, "late_dirs": ["/data"], "cache": False}
    verify(FOLDERS, build(FOLDERS, **options).wasm, run=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "::refuse", "/data::", "/data::empty", "/data::refuse::refuse"])
def test_what_is_no_late_folder_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="late"):
        Host(late_dirs=[text])


@pytest.mark.parametrize(
    "options", [{"late_dirs": ["/data", "/data::refuse"]}, {"late_dirs": ["/a/"], "dirs": {".": "/a"}}]
)
def test_a_folder_that_is_there_twice_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"the guest has two folders '/(data|a)'"):
        built(**options)


#: A call's type, its arguments where the folder is descriptor FD and a path is 4 bytes at 0, and what it asks for.
ASKS = {
    "path_create_directory": ("i32 i32 i32", "FD 0 4", "/data/note"),
    "path_remove_directory": ("i32 i32 i32", "FD 0 4", "/data/note"),
    "path_unlink_file": ("i32 i32 i32", "FD 0 4", "/data/note"),
    "path_rename": ("i32 i32 i32 i32 i32 i32", "FD 0 4 FD 0 4", "/data/note"),
    "path_symlink": ("i32 i32 i32 i32 i32", "0 4 FD 0 4", "/data/note"),
    "path_link": ("i32 i32 i32 i32 i32 i32 i32", "FD 0 0 4 FD 0 4", "/data/note"),
    "path_filestat_set_times": ("i32 i32 i32 i32 i64 i64 i32", "FD 0 0 4 0 0 0", "/data/note"),
    "path_readlink": ("i32 i32 i32 i32 i32 i32", "FD 0 4 64 8 80", "/data/note"),
    "fd_filestat_get": ("i32 i32", "FD 64", "/data"),
    "fd_filestat_set_times": ("i32 i64 i64 i32", "FD 0 0 0", "/data"),
}


@BOTH
@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("name", ASKS)
def test_whatever_asks_a_late_folder_something_is_warned_of(
    tmp_path: Path, name: str, writable: bool, late: str
) -> None:
    types, arguments, path = ASKS[name]
    pairs = zip(types.split(), arguments.replace("FD", "4" if writable else "3").split(), strict=True)
    text = f"""(module (import "wasi_snapshot_preview1" "{name}" (func $asks (param {types}) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "note")
      (func (export "preinit_initialize")
        (i32.store8 (i32.const 128) (call $asks {" ".join(f"({kind}.const {value})" for kind, value in pairs)}))))"""
    dirs = {str(tmp_path): "/w"} if writable else {}
    result = build(text.encode(), late_dirs=[late], dirs=dirs, writable=writable, cache=False)
    asked = [warning.message for warning in result.report.warnings if warning.code == "late-folder-asked"]
    assert len(asked) == 1 and f"asked for {path} (first in" in asked[0]
