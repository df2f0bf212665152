"""Files in a folder that the guest may read: opening, reading, seeking; and nothing is ever written."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from preinit.errors import UsageError
from preinit.host.wasi1.abi import CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE, Errno
from preinit.options import Host
from tests.support.wasi_guest import (
    CURRENT,
    END,
    READ,
    SET,
    WRITE,
    Guest,
    given,
    held,
    make_folder,
    needs_folders,
    opened,
)

pytestmark = needs_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def content(folder: Path, path: str) -> bytes:
    """What a guest reads from a file."""
    guest = Guest()
    guest.open(path)
    data, count = guest.read(4, 512)
    seen = guest.run(given(folder))
    assert seen.errnos == (Errno.SUCCESS, Errno.SUCCESS)
    return seen.bytes(data, seen.u32(count))


# -- preopened folders


def test_there_are_no_folders_by_default() -> None:
    guest = Guest()
    guest.call("fd_prestat_get", 3, guest.room(8))
    guest.open("etc/passwd")
    assert guest.run().errnos == (Errno.BADF, Errno.BADF)


def test_folders_come_in_order_under_their_guest_paths(folder: Path) -> None:
    host = Host(dirs=((str(folder), "/"), (str(folder / "sub"), "/lib/väl/")))
    guest = Guest()
    stats = [guest.room(8) for _ in range(3)]
    names = [guest.room(32) for _ in range(2)]
    for fd, address in enumerate(stats, 3):
        guest.call("fd_prestat_get", fd, address)
    guest.call("fd_prestat_dir_name", 3, names[0], 1)
    guest.call("fd_prestat_dir_name", 4, names[1], 10)
    guest.call("fd_prestat_dir_name", 4, names[1], 9)
    guest.call("fd_prestat_dir_name", 0, names[1], 9)
    seen = guest.run(host)
    assert seen.errnos == (0, 0, Errno.BADF, 0, 0, Errno.NAMETOOLONG, Errno.BADF)
    assert [struct.unpack("<II", seen.bytes(address, 8)) for address in stats[:2]] == [(0, 1), (0, 10)]
    assert (seen.bytes(names[0], 2), seen.bytes(names[1], 11)) == (b"/\0", "/lib/väl/\0".encode())


@pytest.mark.parametrize("missing", ["nowhere", "hello.txt", "no/where"])
def test_a_folder_that_cannot_be_opened_is_an_error_before_anything_runs(folder: Path, missing: str) -> None:
    with pytest.raises(UsageError, match="can't be opened"):
        Guest().build(Host(dirs=((str(folder), "/"), (f"{folder}/{missing}", "/x"))))
    assert held(folder) == []


# -- reading


def test_a_file_is_read_in_pieces_until_its_end(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    parts = [guest.read(4, 5) for _ in range(4)]
    seen = guest.run(given(folder))
    assert [seen.bytes(data, seen.u32(count)) for data, count in parts] == [b"Hello", b", wor", b"ld", b""]


def test_seeking_from_the_start_the_position_and_the_end(folder: Path) -> None:
    guest = Guest()
    guest.open("sub/data")
    places = [guest.room(8) for _ in range(5)]
    guest.call("fd_seek", 4, 10, SET, places[0])
    guest.call("fd_seek", 4, -3, CURRENT, places[1])
    guest.call("fd_tell", 4, places[2])
    data, _ = guest.read(4, 2)
    guest.call("fd_seek", 4, -1, END, places[3])
    guest.call("fd_seek", 4, 1000, CURRENT, places[4])
    _, beyond = guest.read(4, 2)
    guest.call("fd_seek", 4, -1, SET, guest.room(8))
    guest.call("fd_seek", 4, (1 << 63) - 1, CURRENT, guest.room(8))
    guest.call("fd_seek", 4, 0, 3, guest.room(8))
    seen = guest.run(given(folder))
    assert seen.errnos == (0,) * 8 + (Errno.INVAL,) * 3
    assert [seen.u64(place) for place in places] == [10, 7, 7, 255, 1255]
    assert (seen.bytes(data, 2), seen.u32(beyond)) == (b"\x07\x08", 0)


def test_reading_at_an_offset_leaves_the_position_alone(folder: Path) -> None:
    guest = Guest()
    guest.open("sub/data")
    data, count, place = guest.room(4), guest.room(4), guest.room(8)
    guest.call("fd_pread", 4, *guest.vectors((data, 4)), 100, count)
    guest.call("fd_tell", 4, place)
    guest.call("fd_pread", 4, *guest.vectors((data, 4)), 1 << 63, count)
    seen = guest.run(given(folder))
    assert seen.errnos == (0, 0, 0, Errno.INVAL)
    assert (seen.bytes(data, 4), seen.u32(count), seen.u64(place)) == (bytes([100, 101, 102, 103]), 4, 0)


def test_a_huge_read_gives_what_the_file_has(folder: Path) -> None:
    guest = Guest(pages=2000)
    guest.open("sub/data")
    count = guest.room(4)
    guest.call("fd_read", 4, *guest.vectors((1 << 16, 1900 << 16)), count)
    assert guest.run(given(folder)).u32(count) == 256


def test_a_directory_is_neither_read_nor_sought(folder: Path) -> None:
    guest = Guest()
    guest.read(3, 4)
    guest.call("fd_seek", 3, 0, SET, guest.room(8))
    guest.call("fd_readdir", 0, guest.room(64), 64, 0, guest.room(4))
    guest.open("hello.txt")
    guest.call("fd_readdir", 4, guest.room(64), 64, 0, guest.room(4))
    guest.open("x", fd=4)
    expected = (Errno.ISDIR, Errno.ISDIR, Errno.NOTDIR, 0, Errno.NOTDIR, Errno.NOTDIR)
    assert guest.run(given(folder)).errnos == expected


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("missing", Errno.NOENT),
        ("missing/file", Errno.NOENT),
        ("", Errno.NOENT),
        ("hello.txt/", Errno.NOTDIR),
        ("hello.txt/..", Errno.NOTDIR),
        ("a\0b", Errno.INVAL),
        (b"\xff", Errno.ILSEQ),
        ("x" * 300, Errno.NAMETOOLONG),
        ("sub/../hello.txt", Errno.SUCCESS),
        ("./sub//deep/", Errno.SUCCESS),
        (".", Errno.SUCCESS),
    ],
)
def test_paths_mean_what_they_mean_elsewhere(folder: Path, path: str | bytes, number: Errno) -> None:
    assert opened(folder, path) == number


def test_a_file_is_no_directory_when_one_is_asked_for(folder: Path) -> None:
    assert opened(folder, "hello.txt", how=DIRECTORY) == Errno.NOTDIR
    assert opened(folder, "sub", how=DIRECTORY) == Errno.SUCCESS


# -- descriptors


def test_a_closed_descriptor_is_bad_and_its_number_is_given_out_again(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    guest.open("sub/data")
    guest.call("fd_close", 4)
    guest.read(4, 1)
    guest.call("fd_close", 4)
    guest.open("sub/data")
    data, _ = guest.read(4, 2)
    seen = guest.run(given(folder))
    assert seen.errnos == (0, 0, 0, Errno.BADF, Errno.BADF, 0, 0)
    assert seen.bytes(data, 2) == b"\0\1"


def test_renumbering_moves_a_descriptor_onto_another(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    guest.open("sub/data")
    guest.call("fd_renumber", 4, 5)
    data, _ = guest.read(5, 5)
    guest.read(4, 1)
    guest.call("fd_renumber", 5, 99)
    guest.call("fd_renumber", 99, 5)
    guest.call("fd_renumber", 5, 5)
    guest.read(5, 1)
    seen = guest.run(given(folder))
    assert seen.errnos == (0, 0, 0, 0, Errno.BADF, Errno.BADF, Errno.BADF, 0, 0)
    assert seen.bytes(data, 5) == b"Hello"


BAD = {
    "fd_advise": (0, 0, 0),
    "fd_close": (),
    "fd_datasync": (),
    "fd_fdstat_get": (0,),
    "fd_fdstat_set_flags": (0,),
    "fd_fdstat_set_rights": (0, 0),
    "fd_filestat_get": (0,),
    "fd_pread": (0, 0, 0, 0),
    "fd_prestat_get": (0,),
    "fd_prestat_dir_name": (0, 0),
    "fd_pwrite": (0, 0, 0, 0),
    "fd_read": (0, 0, 0),
    "fd_readdir": (0, 0, 0, 0),
    "fd_renumber": (0,),
    "fd_seek": (0, 0, 0),
    "fd_sync": (),
    "fd_tell": (0,),
    "fd_write": (0, 0, 0),
    "path_filestat_get": (0, 0, 0, 0),
    "path_open": (0, 0, 0, 0, 0, 0, 0, 0),
    "path_readlink": (0, 0, 0, 0, 0),
}


def test_a_descriptor_that_does_not_exist_is_bad_in_every_function() -> None:
    guest = Guest()
    for name, arguments in BAD.items():
        guest.call(name, 0xFFFFFFFF, *arguments)
    assert dict(zip(BAD, guest.run().errnos, strict=True)) == dict.fromkeys(BAD, Errno.BADF)


# -- nothing is written


@pytest.mark.parametrize(
    ("path", "how", "rights", "number"),
    [
        ("hello.txt", 0, READ | WRITE, Errno.ROFS),
        ("hello.txt", TRUNCATE, READ, Errno.ROFS),
        ("hello.txt", CREATE, READ, Errno.SUCCESS),
        ("hello.txt", CREATE, WRITE, Errno.ROFS),
        ("hello.txt", CREATE | EXCLUSIVE, WRITE, Errno.EXIST),
        ("new", CREATE, READ, Errno.ROFS),
        ("new", CREATE | EXCLUSIVE, WRITE, Errno.ROFS),
        ("new", 0, WRITE, Errno.NOENT),
        ("sub", 0, WRITE, Errno.ISDIR),
        ("../new", CREATE, WRITE, Errno.PERM),
    ],
)
def test_opening_to_write_is_refused_as_in_a_read_only_file_system(
    folder: Path, path: str, how: int, rights: int, number: Errno
) -> None:
    assert opened(folder, path, how=how, rights=rights) == number
    assert not (folder / "new").exists()
    assert (folder / "hello.txt").read_text() == "Hello, world"


def test_a_library_that_asks_for_inherited_rights_only_still_asks_to_write(folder: Path) -> None:
    guest = Guest()
    status = guest.room(24)
    guest.call("fd_fdstat_get", 3, status)
    seen = guest.run(given(folder))
    assert seen.u64(status + 16) & (READ | WRITE) == READ | WRITE


def test_whatever_would_change_the_folder_is_refused(folder: Path) -> None:
    guest = Guest()
    hello, new = guest.text("hello.txt"), guest.text("new")
    guest.open("hello.txt")
    guest.write(4, b"x")
    guest.call("fd_pwrite", 4, *guest.vectors(), 0, guest.room(4))
    changing = [
        guest.call("fd_allocate", 4, 0, 100),
        guest.call("fd_filestat_set_size", 4, 0),
        guest.call("fd_filestat_set_times", 4, 0, 0, 0),
        guest.call("path_create_directory", 3, *new),
        guest.call("path_filestat_set_times", 3, 0, *hello, 0, 0, 0),
        guest.call("path_link", 3, 0, *hello, 3, *new),
        guest.call("path_remove_directory", 3, *guest.text("sub/deep")),
        guest.call("path_rename", 3, *hello, 3, *new),
        guest.call("path_symlink", *hello, 3, *new),
        guest.call("path_unlink_file", 3, *hello),
    ]
    before = sorted(folder.rglob("*"))
    seen = guest.run(given(folder))
    assert seen.errnos == (0, Errno.BADF, Errno.BADF) + (Errno.ROFS,) * len(changing)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "hello.txt").read_text() == "Hello, world"


def test_what_changes_nothing_is_allowed(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    guest.call("fd_advise", 4, 0, 10, 1)
    guest.call("fd_datasync", 4)
    guest.call("fd_sync", 4)
    guest.call("fd_fdstat_set_flags", 4, 4)
    guest.call("fd_fdstat_set_rights", 4, READ, 0)
    assert set(guest.run(given(folder)).errnos) == {Errno.SUCCESS}


def test_there_are_no_sockets() -> None:
    guest = Guest()
    guest.call("sock_accept", 0, 0, guest.room(4))
    guest.call("sock_recv", 0, 0, 0, 0, guest.room(4), guest.room(4))
    guest.call("sock_send", 0, 0, 0, 0, guest.room(4))
    guest.call("sock_shutdown", 0, 3)
    assert set(guest.run().errnos) == {Errno.NOTSOCK}
