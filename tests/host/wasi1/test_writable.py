"""Folders that the guest may write: what it can do there, and that nothing outside changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preinit.errors import InitializerFailed
from preinit.host.wasi1.abi import APPEND, CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE, Errno
from preinit.options import Host
from tests.support.command import fails, run
from tests.support.modules import wasm
from tests.support.wasi_guest import (
    CURRENT,
    FOLLOW,
    NO_FOLLOW,
    READ,
    SET,
    WRITE,
    Guest,
    held,
    make_folder,
    needs_folders,
)

pytestmark = needs_folders
NEW = CREATE | EXCLUSIVE
BOTH = READ | WRITE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def host(folder: Path, **fields: object) -> Host:
    return Host(dirs=((str(folder), "/"),), writable=True, **fields)  # type: ignore[arg-type]


def snapshot(place: Path) -> dict[str, object]:
    return {
        str(p.relative_to(place)): os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
        for p in sorted(place.rglob("*"))
    }


# -- files


def test_a_file_is_created_written_and_read_again(folder: Path) -> None:
    guest = Guest()
    guest.open("new", how=NEW, rights=BOTH)
    guest.write(4, b"Hello, ")
    guest.write(4, b"files")
    guest.call("fd_pwrite", 4, *guest.vectors((guest.put(b"J"), 1)), 0, guest.room(4))
    guest.call("fd_seek", 4, -12, CURRENT, guest.room(8))
    data, count = guest.read(4, 64)
    guest.call("fd_sync", 4)
    guest.call("fd_datasync", 4)
    guest.call("fd_close", 4)
    seen = guest.run(host(folder))
    assert set(seen.errnos) == {Errno.SUCCESS}
    assert seen.bytes(data, seen.u32(count)) == b"Jello, files"
    assert (folder / "new").read_bytes() == b"Jello, files"
    assert held(folder) == []


def test_what_is_appended_comes_after_the_end(folder: Path) -> None:
    guest = Guest()
    status = guest.room(24)
    guest.call("path_open", 3, FOLLOW, *guest.text("hello.txt"), 0, BOTH, 0, APPEND, guest.room(4))
    guest.write(4, b"!")
    guest.call("fd_seek", 4, 0, SET, guest.room(8))
    guest.write(4, b"?")
    guest.call("fd_fdstat_get", 4, status)
    guest.call("fd_fdstat_set_flags", 4, 0)
    guest.call("fd_seek", 4, 0, SET, guest.room(8))
    guest.write(4, b"J")
    seen = guest.run(host(folder))
    assert set(seen.errnos) == {Errno.SUCCESS}
    assert (folder / "hello.txt").read_text() == "Jello, world!?"
    assert seen.memory[status + 2] == APPEND
    assert seen.u64(status + 8) & WRITE


def test_a_file_is_emptied_cut_and_made_longer(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt", how=TRUNCATE, rights=BOTH)
    guest.write(4, b"12345")
    guest.open("sub/data", rights=BOTH)
    guest.call("fd_filestat_set_size", 5, 3)
    guest.call("fd_allocate", 5, 2, 4)
    guest.call("fd_allocate", 5, 0, 1)
    assert set(guest.run(host(folder)).errnos) == {Errno.SUCCESS}
    assert (folder / "hello.txt").read_text() == "12345"
    assert (folder / "sub" / "data").read_bytes() == b"\0\1\2\0\0\0"


def test_a_file_that_was_opened_to_be_read_is_not_written(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    guest.write(4, b"x")
    guest.call("fd_pwrite", 4, *guest.vectors(), 0, guest.room(4))
    guest.call("fd_filestat_set_size", 4, 0)
    guest.call("fd_allocate", 4, 0, 100)
    guest.call("fd_filestat_set_size", 3, 0)
    guest.write(3, b"x")
    before = snapshot(folder.parent)
    assert guest.run(host(folder)).errnos == (0, *(Errno.BADF,) * 4, Errno.ISDIR, Errno.BADF)
    assert snapshot(folder.parent) == before


@pytest.mark.parametrize(
    ("path", "how", "rights", "number"),
    [
        ("hello.txt", NEW, WRITE, Errno.EXIST),
        ("sub", CREATE, READ, Errno.SUCCESS),
        ("sub", CREATE, WRITE, Errno.ISDIR),
        ("sub", TRUNCATE, READ, Errno.ISDIR),
        (".", NEW, READ, Errno.EXIST),
        ("sub", CREATE | DIRECTORY, READ, Errno.INVAL),
        ("hello.txt/", CREATE, WRITE, Errno.NOTDIR),
        ("new/", CREATE, WRITE, Errno.ISDIR),
        ("no/new", CREATE, WRITE, Errno.NOENT),
        ("new", 0, WRITE, Errno.NOENT),
        ("../new", CREATE, WRITE, Errno.PERM),
        ("/new", CREATE, WRITE, Errno.PERM),
        ("sub/../../new", CREATE, WRITE, Errno.PERM),
        ("out/new", CREATE, WRITE, Errno.PERM),
        ("absolute/new", CREATE, WRITE, Errno.PERM),
        ("key", TRUNCATE, WRITE, Errno.PERM),
        ("dangling", CREATE, WRITE, Errno.PERM),
        ("pipe", 0, WRITE, Errno.ACCES),
        ("pipe", TRUNCATE, READ, Errno.ACCES),
        ("loop", CREATE, WRITE, Errno.LOOP),
    ],
)
def test_opening_to_write_never_leaves_the_folder(
    folder: Path, path: str, how: int, rights: int, number: Errno
) -> None:
    (folder / "out").symlink_to("../secret")
    (folder / "absolute").symlink_to(folder.parent / "secret")
    (folder / "key").symlink_to("../secret/key")
    (folder / "dangling").symlink_to("../secret/new")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    guest = Guest()
    guest.open(path, how=how, rights=rights)
    before = snapshot(folder.parent)
    assert guest.run(host(folder)).errnos == (number,)
    assert snapshot(folder.parent) == before


def test_a_link_is_followed_within_the_folder_and_not_when_a_new_file_is_asked_for(folder: Path) -> None:
    (folder / "there").symlink_to("sub/made")
    guest = Guest()
    guest.open("there", how=NEW, rights=WRITE)
    guest.open("there", how=CREATE, rights=WRITE, flags=NO_FOLLOW)
    guest.open("there", how=CREATE, rights=WRITE)
    assert guest.run(host(folder)).errnos == (Errno.EXIST, Errno.LOOP, 0)
    assert (folder / "sub" / "made").read_bytes() == b""


def test_a_call_that_can_not_say_what_it_did_does_nothing(folder: Path) -> None:
    guest = Guest()
    guest.call("path_open", 3, 0, *guest.text("new"), CREATE, WRITE, 0, 0, 0xFFFF)
    guest.open("hello.txt", rights=WRITE)
    guest.call("fd_write", 4, *guest.vectors((guest.put(b"x"), 1)), 0xFFFF)
    before = snapshot(folder)
    assert guest.run(host(folder)).errnos == (Errno.FAULT, 0, Errno.FAULT)
    assert snapshot(folder) == before


def test_a_full_disk_ends_the_build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    guest = Guest()
    guest.open("new", how=CREATE, rights=WRITE)
    guest.write(4, b"x")
    with pytest.raises(InitializerFailed, match="No space left"):
        guest.build(host(folder))


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1])
def test_sizes_past_the_largest_are_refused(folder: Path, size: int) -> None:
    guest = Guest()
    guest.open("hello.txt", rights=WRITE)
    guest.call("fd_filestat_set_size", 4, size)
    guest.call("fd_allocate", 4, size, 1)
    guest.call("fd_pwrite", 4, *guest.vectors((guest.put(b"x"), 1)), size, guest.room(4))
    assert guest.run(host(folder)).errnos == (0, Errno.INVAL, Errno.INVAL, Errno.INVAL)


# -- paths


def test_folders_are_made_listed_renamed_and_removed(folder: Path) -> None:
    guest = Guest()
    guest.call("path_create_directory", 3, *guest.text("made/"))
    guest.call("path_create_directory", 3, *guest.text("made/inner"))
    guest.call("path_rename", 3, *guest.text("hello.txt"), 3, *guest.text("made/moved"))
    guest.call("path_rename", 3, *guest.text("sub/deep"), 3, *guest.text("made/deep"))
    guest.call("path_remove_directory", 3, *guest.text("made/inner"))
    guest.call("path_unlink_file", 3, *guest.text("sub/data"))
    guest.call("path_remove_directory", 3, *guest.text("sub"))
    guest.call("path_link", 3, 0, *guest.text("made/moved"), 3, *guest.text("same"))
    guest.call("path_symlink", *guest.text("../same"), 3, *guest.text("made/link"))
    assert set(guest.run(host(folder)).errnos) == {Errno.SUCCESS}
    assert snapshot(folder) == {
        "made": None, "made/deep": None, "made/link": "../same", "made/moved": b"Hello, world", "same": b"Hello, world",
    }  # fmt: skip


def test_changes_that_can_not_be_have_the_errno_of_posix_and_change_nothing(folder: Path) -> None:
    (folder / "out").symlink_to("../secret")
    guest = Guest()
    expected = []

    def refuse(number: Errno, name: str, *arguments: object) -> None:
        expected.append(number)
        flat: list[int] = []
        for argument in arguments:
            flat += guest.text(argument) if isinstance(argument, str) else [argument]  # type: ignore[list-item]
        guest.call(name, *flat)

    refuse(Errno.EXIST, "path_create_directory", 3, "sub")
    refuse(Errno.EXIST, "path_create_directory", 3, ".")
    refuse(Errno.NOENT, "path_create_directory", 3, "no/way")
    refuse(Errno.PERM, "path_create_directory", 3, "../made")
    refuse(Errno.PERM, "path_create_directory", 3, "out/made")
    refuse(Errno.NOTEMPTY, "path_remove_directory", 3, "sub")
    refuse(Errno.NOTDIR, "path_remove_directory", 3, "hello.txt")
    refuse(Errno.INVAL, "path_remove_directory", 3, "sub/..")
    refuse(Errno.PERM, "path_remove_directory", 3, "../secret")
    refuse(Errno.ISDIR, "path_unlink_file", 3, "sub/deep")
    refuse(Errno.NOTDIR, "path_unlink_file", 3, "hello.txt/")
    refuse(Errno.PERM, "path_unlink_file", 3, "out/key")
    refuse(Errno.PERM, "path_unlink_file", 3, "../secret/key")
    refuse(Errno.PERM, "path_rename", 3, "../secret/key", 3, "key")
    refuse(Errno.PERM, "path_rename", 3, "hello.txt", 3, "../hello.txt")
    refuse(Errno.PERM, "path_rename", 3, "hello.txt", 3, "out/hello.txt")
    refuse(Errno.INVAL, "path_rename", 3, ".", 3, "x")
    refuse(Errno.INVAL, "path_rename", 3, "sub", 3, "sub/deep/sub")
    refuse(Errno.NOTDIR, "path_rename", 3, "hello.txt", 3, "x/")
    refuse(Errno.BADF, "path_rename", 3, "hello.txt", 9, "x")
    refuse(Errno.PERM, "path_link", 3, 0, "../secret/key", 3, "key")
    refuse(Errno.PERM, "path_link", 3, FOLLOW, "out/key", 3, "key")
    refuse(Errno.PERM, "path_link", 3, 0, "hello.txt", 3, "../hello.txt")
    refuse(Errno.EXIST, "path_link", 3, 0, "hello.txt", 3, "sub/data")
    refuse(Errno.PERM, "path_link", 3, 0, "sub", 3, "sub2")
    refuse(Errno.PERM, "path_symlink", "/etc/passwd", 3, "passwd")
    refuse(Errno.PERM, "path_symlink", "../secret/key", 3, "key")
    refuse(Errno.PERM, "path_symlink", "x/../../secret", 3, "key")
    refuse(Errno.PERM, "path_symlink", "../../secret", 3, "sub/key")
    refuse(Errno.NOENT, "path_symlink", "", 3, "key")
    refuse(Errno.EXIST, "path_symlink", "sub", 3, "hello.txt")
    refuse(Errno.PERM, "path_symlink", "sub", 3, "../link")
    refuse(Errno.FAULT, "path_unlink_file", 3, 0xFFFF, 9)
    before = snapshot(folder.parent)
    seen = guest.run(host(folder))
    assert [number.name for number in seen.errnos] == [number.name for number in expected]
    assert snapshot(folder.parent) == before


# -- the command


def test_the_command_opens_folders_to_be_written_only_when_asked(folder: Path) -> None:
    guest = Guest()
    guest.open("new", how=CREATE, rights=WRITE)
    source = wasm(guest.wat())
    run("build", "-", "--dir", f"{folder}::/", stdin=source, code=0)
    assert not (folder / "new").exists()
    done = run("build", "-", "--dir", f"{folder}::/", "--writable", stdin=source, code=0)
    assert (folder / "new").exists()
    assert b"whole: it may write files" in done.stderr
    assert "--dir" in fails("build", "-", "--writable", stdin=source, code=2)
    run("build", "-", "--mapdir", f"/::{folder}", "--writable", "--file-times", "host", stdin=source, code=0)
