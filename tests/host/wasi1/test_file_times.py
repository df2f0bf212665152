"""Times of files: the clock's or the host's, and setting them in folders that may be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preinit.host.wasi1.abi import Errno
from preinit.options import Host
from tests.support.wasi_guest import FOLLOW, Guest, make_folder, needs_folders

pytestmark = needs_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


DAY = 86_400 * 10**9
ACCESS, ACCESS_NOW, MODIFICATION, MODIFICATION_NOW = 1, 2, 4, 8


def times(folder: Path, path: str, world: Host) -> tuple[int, ...]:
    """Access and modification times that a guest sees; the same of its listing's metadata."""
    guest = Guest()
    place = guest.room(64)
    guest.call("path_filestat_get", 3, 0, *guest.text(path), place)
    seen = guest.run(world)
    assert seen.errnos == (0,)
    return seen.u64(place + 40), seen.u64(place + 48)


def test_times_of_files_are_the_clock_s_unless_the_host_s_are_asked_for(folder: Path) -> None:
    os.utime(folder / "hello.txt", ns=(3 * DAY, 2 * DAY))
    dirs = ((str(folder), "/"),)
    assert times(folder, "hello.txt", Host(dirs=dirs)) == (0, 0)
    assert times(folder, "hello.txt", Host(dirs=dirs, clock=7)) == (7 * 10**9,) * 2
    assert times(folder, "hello.txt", Host(dirs=dirs, clock="host")) == (0, 0)
    assert times(folder, "hello.txt", Host(dirs=dirs, clock=7, file_times="host")) == (3 * DAY, 2 * DAY)


def test_times_from_before_1970_are_shown_as_its_start(folder: Path) -> None:
    os.utime(folder / "hello.txt", ns=(-DAY, -DAY))
    assert times(folder, "hello.txt", Host(dirs=((str(folder), "/"),), file_times="host")) == (0, 0)


def test_times_are_set_to_what_is_given_or_to_the_clock(folder: Path) -> None:
    os.utime(folder / "sub" / "data", ns=(5 * DAY, 6 * DAY))
    (folder / "link").symlink_to("../secret/key")
    secret = (folder.parent / "secret" / "key").stat().st_mtime_ns
    guest = Guest()
    name = guest.text("hello.txt")
    guest.call("path_filestat_set_times", 3, FOLLOW, *name, 2 * DAY, 3 * DAY, ACCESS | MODIFICATION)
    guest.open("sub/data")
    guest.call("fd_filestat_set_times", 4, 1, 1, MODIFICATION_NOW)
    guest.call("fd_filestat_set_times", 4, 1, 1, ACCESS | ACCESS_NOW)
    guest.call("fd_filestat_set_times", 4, 1, 1 << 63, MODIFICATION)
    guest.call("fd_filestat_set_times", 1, 1, 1, ACCESS)
    guest.call("path_filestat_set_times", 3, FOLLOW, *guest.text("link"), 1, 1, ACCESS | MODIFICATION)
    guest.call("path_filestat_set_times", 3, 0, *guest.text("link"), 7, 8, ACCESS | MODIFICATION)
    seen = guest.run(Host(dirs=((str(folder), "/"),), writable=True, clock=86_400))
    assert seen.errnos == (0, 0, 0, Errno.INVAL, Errno.INVAL, Errno.BADF, Errno.PERM, 0)
    hello, data = (folder / "hello.txt").stat(), (folder / "sub" / "data").stat()
    assert (hello.st_atime_ns, hello.st_mtime_ns) == (2 * DAY, 3 * DAY)
    assert (data.st_atime_ns, data.st_mtime_ns) == (5 * DAY, DAY)
    assert (folder / "link").lstat().st_mtime_ns == 8
    assert (folder.parent / "secret" / "key").stat().st_mtime_ns == secret
