"""Hostile guests with a folder, and hostile folders: nothing outside is read, nothing is waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from preinit.host.wasi1.abi import Errno
from tests.support.hostile.command import check
from tests.support.hostile.modules import BUILT, Hostile
from tests.support.wasi_guest import FOLLOW, Guest, needs_folders

pytestmark = [needs_folders, pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX systems")]

HUGE = 0xFFFFFFFF
HALF = 1 << 31


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and all kinds of ways out; next to it, a secret."""
    made = tmp_path / "folder"
    inside = made / "inside"
    (inside / "sub").mkdir(parents=True)
    (made / "secret").write_text("secret")
    (inside / "file").write_text("file")
    for name, target in {
        "up": "..",
        "secret": "../secret",
        "chain": "sub/up",
        "sub/up": "../up",
        "absolute": "/etc/passwd",
        "process": "/proc/self",
        "descriptor": "/dev/fd/0",
        "loop": "loop",
    }.items():
        (inside / name).symlink_to(target)
    os.mkfifo(inside / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(inside)  # the name of a socket has 108 bytes at most
        listening.bind("socket")
        os.chdir(before)
    return inside


def watched(guest: Guest, errnos: list[int]) -> str:
    """The guest's text; it traps unless its calls give those errnos."""
    text = guest.wat().removesuffix("))")
    for number, expected in enumerate(errnos):
        text += f"(if (i32.ne (i32.load (i32.const {0x100 + 4 * number})) (i32.const {expected})) (then unreachable))"
    return text + "))"


def built(guest: Guest, errnos: list[int], folder: Path, *arguments: str) -> str:
    hostile = Hostile(lambda: watched(guest, errnos), (BUILT,))
    return check(hostile, "auto", folder.parents[1], "--dir", f"{folder}::/", *arguments)


WAYS_OUT = [
    "..",
    "../secret",
    "sub/../../secret",
    "up/secret",
    "secret",
    "chain/secret",
    "sub/up/../secret",
    "absolute",
    "/etc/passwd",
    "/proc/self/environ",
    "process/environ",
    "process/root/etc/passwd",
    "descriptor",
]


def test_no_path_leads_out_of_the_folder(folder: Path) -> None:
    guest = Guest()
    for path in WAYS_OUT:
        guest.open(path)
    built(guest, [Errno.PERM] * len(WAYS_OUT), folder)


def test_paths_that_are_no_files_are_errors_and_not_waited_for(folder: Path) -> None:
    guest = Guest()
    for path in ("loop", "pipe", "socket", "", "file/x", "\x01\x1b[2J", "x" * 4096, b"\xff\xfe", b"a\0b"):
        guest.open(path)
    text = guest.wat().removesuffix("))")
    for number in range(9):
        text += f"(if (i32.eqz (i32.load (i32.const {0x100 + 4 * number}))) (then unreachable))"
    check(Hostile(lambda: text + "))", (BUILT,)), "auto", folder.parents[1], "--dir", f"{folder}::/")


def test_the_host_s_own_processes_are_nowhere_even_if_all_of_the_host_is_given(tmp_path: Path) -> None:
    """A folder that leads to other file systems: only what is read of it matters, and nothing hangs."""
    guest = Guest(pages=20)
    guest.open("self/fd/0")
    guest.open("kmsg")
    text = guest.wat()
    check(Hostile(lambda: text, (BUILT,)), "auto", tmp_path, "--dir", "/proc::/", "--timeout", "20")


def test_arrays_of_buffers_that_overlap_overflow_or_are_too_many(folder: Path) -> None:
    guest = Guest(pages=2)
    data = guest.room(64)
    guest.open("file")
    guest.call("fd_read", 4, *guest.vectors(*[(data, 60)] * 3), guest.room(4))
    guest.call("fd_read", 4, *guest.vectors((HUGE, HUGE)), guest.room(4))
    guest.call("fd_read", 4, *guest.vectors((data, HUGE)), guest.room(4))
    guest.call("fd_read", 4, guest.room(8), HALF, guest.room(4))
    guest.call("fd_read", 4, guest.room(8), HUGE, HUGE)
    guest.call("fd_write", 1, *guest.vectors((0, HALF), (HALF, HALF)), guest.room(4))
    guest.call("fd_pread", 4, *guest.vectors((data, 8)), (1 << 64) - 1, guest.room(4))
    guest.call("fd_seek", 4, 1 << 63, 1, guest.room(8))
    errnos = [Errno.SUCCESS, Errno.SUCCESS, *[Errno.FAULT] * 5, Errno.INVAL, Errno.INVAL]
    built(guest, errnos, folder)


def test_counts_that_no_host_could_serve_are_refused(folder: Path) -> None:
    guest = Guest()
    guest.call("poll_oneoff", 0, 0, HUGE, guest.room(4))
    guest.call("random_get", 0, HUGE)
    guest.call("fd_readdir", 3, 0, HUGE, 0, guest.room(4))
    guest.call("path_open", 3, 0, 0, HUGE, 0, 0, 0, 0, guest.room(4))
    guest.call("path_readlink", 3, *guest.text("up"), 0, HUGE, guest.room(4))
    guest.call("fd_prestat_dir_name", 3, 0, HUGE)
    guest.call("fd_renumber", 3, HUGE)
    text = guest.wat().removesuffix("))")
    for number in (0, 1, 2, 3):
        text += f"(if (i32.eqz (i32.load (i32.const {0x100 + 4 * number}))) (then unreachable))"
    check(Hostile(lambda: text + "))", (BUILT,)), "auto", folder.parents[1], "--dir", f"{folder}::/")


def test_4_gib_of_random_bytes_end_with_the_time_limit(tmp_path: Path) -> None:
    guest = Guest(pages=65536)
    guest.call("random_get", 0, HUGE)
    check(Hostile(guest.wat, ("time-limit", "trap"), ("--timeout", "0.7")), "auto", tmp_path)


ENDLESS = """(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "file")
  (func (export "wizer-initialize") (loop $more CALL (br $more))))"""
OPEN = """(drop (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 4) (i32.const 0) (i64.const 2)
  (i64.const 0) (i32.const 0) (i32.const 8)))"""
LIST = "(drop (call $list (i32.const 3) (i32.const 128) (i32.const 24) (i64.const 0) (i32.const 8)))"


@pytest.mark.parametrize("call", [OPEN, LIST], ids=["opening", "listing"])
def test_opening_and_listing_without_end_ends_with_the_time_limit(folder: Path, call: str) -> None:
    for number in range(300):
        (folder / "sub" / f"file{number}").touch()
    guest = Hostile(lambda: ENDLESS.replace("CALL", call), ("time-limit", "initializer-failed"), ("--timeout", "1"))
    check(guest, "auto", folder.parents[1], "--dir", f"{folder}::/", "--dir", f"{folder / 'sub'}::/sub")


def test_a_large_folder_is_listed_from_any_cookie(folder: Path) -> None:
    for number in range(2_000):
        (folder / f"file{number}").touch()
    guest = Guest(pages=4)
    for cookie in (0, 1_000, HUGE, (1 << 64) - 1):
        guest.call("fd_readdir", 3, 0x2000, 0x8000, cookie, guest.room(4))
    built(guest, [Errno.SUCCESS] * 4, folder)


def test_a_link_as_the_folder_itself_is_where_it_leads_and_no_further(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    guest = Guest()
    guest.open("file", flags=FOLLOW)
    guest.open("../secret")
    built(guest, [Errno.SUCCESS, Errno.PERM], folder.parent / "link")
