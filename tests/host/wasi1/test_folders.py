"""Listings and metadata of folders: the same for every copy of a folder."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.support.wasi_guest import FOLLOW, NO_FOLLOW, Guest, Seen, given, make_folder, needs_folders

pytestmark = needs_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def entries(seen: Seen, address: int, size: int) -> list[tuple[str, int, int, int]]:
    """(name, type, cookie, inode) of each whole entry that fd_readdir stored."""
    found = []
    data = seen.bytes(address, size)
    while len(data) >= 24:
        cookie, inode, length, kind = struct.unpack_from("<QQIB", data)
        if len(data) < 24 + length:
            break
        found.append((data[24 : 24 + length].decode(), kind, cookie, inode))
        data = data[24 + length :]
    return found


def test_entries_are_sorted_whatever_the_order_on_the_host(folder: Path) -> None:
    for name in ("z", "a", "M", "\u00e9", "\U0001f600", "\uffee"):
        (folder / name).touch()
    (folder / "link").symlink_to("nowhere")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).touch()  # a name that no guest can be told
    guest = Guest()
    buffer, used = guest.room(1024), guest.room(4)
    guest.call("fd_readdir", 3, buffer, 1024, 0, used)
    seen = guest.run(given(folder))
    found = entries(seen, buffer, seen.u32(used))
    names = [".", "..", "M", "a", "hello.txt", "link", "sub", "z", "\u00e9", "\uffee", "\U0001f600"]
    assert [name for name, *_ in found] == names
    kinds = {name: kind for name, kind, *_ in found}
    assert (kinds["."], kinds["sub"], kinds["a"], kinds["link"]) == (3, 3, 4, 7)
    assert [cookie for _, _, cookie, _ in found] == list(range(1, len(names) + 1))


@pytest.mark.parametrize("size", [24, 40, 57, 64, 100])
def test_a_listing_goes_on_at_a_cookie_with_any_size_of_buffer(folder: Path, size: int) -> None:
    for number in range(5):
        (folder / f"file{number}").touch()
    names: list[str] = []
    cookie = 0
    while True:
        guest = Guest()
        buffer, used = guest.room(size), guest.room(4)
        guest.call("fd_readdir", 3, buffer, size, cookie, used)
        seen = guest.run(given(folder))
        found = entries(seen, buffer, seen.u32(used))
        if not found and seen.u32(used) == size and size < 100:
            size *= 2  # what a guest does: not even one entry fits
            continue
        names += [name for name, *_ in found]
        if seen.u32(used) < size:
            break
        cookie = found[-1][2]
    assert names == [".", "..", *(f"file{number}" for number in range(5)), "hello.txt", "sub"]


def test_a_cookie_beyond_the_end_lists_nothing(folder: Path) -> None:
    guest = Guest()
    used = [guest.put(b"\xff" * 4) for _ in range(3)]
    guest.call("fd_readdir", 3, guest.room(64), 64, 1000, used[0])
    guest.call("fd_readdir", 3, guest.room(64), 64, (1 << 64) - 1, used[1])
    guest.call("fd_readdir", 3, guest.room(64), 0, 0, used[2])
    seen = guest.run(given(folder))
    assert seen.errnos == (0, 0, 0)
    assert [seen.u32(address) for address in used] == [0, 0, 0]


def test_a_listing_that_starts_anew_sees_what_was_there_then(folder: Path) -> None:
    guest = Guest()
    buffers = [(guest.room(512), guest.room(4)) for _ in range(2)]
    for buffer, used in buffers:
        guest.call("fd_readdir", 3, buffer, 512, 0, used)
    seen = guest.run(given(folder))
    first, second = (entries(seen, buffer, seen.u32(used)) for buffer, used in buffers)
    assert first == second != []


def metadata(seen: Seen, address: int) -> tuple[int, ...]:
    """Device, inode, type, links, size, three times."""
    return struct.unpack_from("<QQB7xQQQQQ", seen.memory, address)


def test_metadata_has_size_and_type_and_no_times(folder: Path) -> None:
    (folder / "link").symlink_to("sub/data")
    guest = Guest()
    rooms = [guest.room(64) for _ in range(5)]
    guest.open("sub/data")
    guest.call("fd_filestat_get", 4, rooms[0])
    guest.call("path_filestat_get", 3, FOLLOW, *guest.text("sub/../sub/data"), rooms[1])
    guest.call("path_filestat_get", 3, FOLLOW, *guest.text("link"), rooms[2])
    guest.call("path_filestat_get", 3, NO_FOLLOW, *guest.text("link"), rooms[3])
    guest.call("path_filestat_get", 3, NO_FOLLOW, *guest.text("sub"), rooms[4])
    seen = guest.run(given(folder))
    assert set(seen.errnos) == {0}
    file, again, through_link, link, directory = (metadata(seen, address) for address in rooms)
    assert file[2:] == (4, 1, 256, 0, 0, 0)
    assert file == again == through_link
    assert link[2:] == (7, 1, len("sub/data"), 0, 0, 0)
    assert directory[2:] == (3, 1, 0, 0, 0, 0)
    assert len({file[1], link[1], directory[1]}) == 3


def test_two_copies_of_a_folder_give_the_same_module(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "a" / "copy"
    (other / "sub").mkdir(parents=True)
    (other / "sub" / "data").write_bytes(bytes(range(256)))
    (other / "hello.txt").write_text("Hello, world")
    (other / "sub" / "deep").mkdir()
    os.utime(other / "hello.txt", (1, 1_000_000_000))
    (other / "hello.txt").chmod(0o444)
    guest = Guest()
    guest.call("fd_filestat_get", 3, guest.room(64))
    guest.call("fd_fdstat_get", 3, guest.room(24))
    guest.call("fd_readdir", 3, guest.room(512), 512, 0, guest.room(4))
    guest.open("hello.txt")
    guest.call("fd_filestat_get", 4, guest.room(64))
    guest.call("path_filestat_get", 3, FOLLOW, *guest.text("sub/data"), guest.room(64))
    guest.read(4, 64)
    assert guest.build(given(folder)).wasm == guest.build(given(other)).wasm


def test_the_same_folder_under_another_guest_path_has_other_inodes(folder: Path) -> None:
    guest = Guest()
    guest.call("fd_filestat_get", 3, guest.room(64))
    assert guest.build(given(folder, "/a")).wasm != guest.build(given(folder, "/b")).wasm
