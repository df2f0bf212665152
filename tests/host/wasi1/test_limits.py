"""Guests that ask for too much: pointers out of their memory, huge counts, all descriptors. And nothing stays open."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from preinit.errors import GuestExit, InitializerFailed, TimeLimit
from preinit.host.wasi1.abi import Errno
from preinit.host.wasi1.table import MOST_DESCRIPTORS
from preinit.options import Host
from tests.support.instances import Running
from tests.support.modules import build_text
from tests.support.wasi_guest import PAGE, Guest, given, held, make_folder, needs_folders, random_stream

BEYOND = PAGE - 4
HUGE = 0xFFFFFFFF

pytestmark = needs_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


FAULTS = {
    "args_get": (BEYOND + 1, 0),
    "args_sizes_get": (0, HUGE),
    "environ_get": (0, HUGE),
    "clock_res_get": (0, BEYOND),
    "clock_time_get": (0, 0, PAGE),
    "fd_fdstat_get": (0, PAGE - 23),
    "fd_filestat_get": (0, PAGE - 63),
    "fd_read": (0, PAGE - 7, 1, 0),
    "fd_write": (1, 0, HUGE, 0),
    "fd_pread": (0, HUGE, HUGE, 0, 0),
    "path_open": (3, 0, PAGE, 1, 0, 0, 0, 0, 0),
    "path_filestat_get": (3, 0, HUGE, HUGE, 0),
    "path_readlink": (3, HUGE, 1, 0, 0, 0),
    "poll_oneoff": (PAGE - 47, 0, 1, 0),
    "random_get": (1, PAGE),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_pointer_out_of_the_memory_is_a_fault(name: str, tmp_path: os.PathLike[str]) -> None:
    guest = Guest()
    guest.call(name, *FAULTS[name])
    seen = guest.run(Host(env=(("A", "B"),), args=("x",), dirs=((os.fspath(tmp_path), "/"),)))
    assert seen.errnos == (Errno.FAULT,)


def test_an_iovec_that_points_out_of_the_memory_is_a_fault() -> None:
    guest = Guest()
    guest.call("fd_write", 1, *guest.vectors((0, 1), (PAGE - 1, 2)), guest.room(4))
    guest.call("fd_read", 0, *guest.vectors((HUGE, HUGE)), guest.room(4))
    assert guest.run(Host(stdin=b"abc")).errnos == (Errno.FAULT, Errno.FAULT)


def test_the_last_byte_of_the_memory_can_be_used() -> None:
    guest = Guest()
    guest.call("random_get", PAGE - 3, 3)
    guest.call("random_get", PAGE, 0)
    seen = guest.run()
    assert seen.errnos == (Errno.SUCCESS, Errno.SUCCESS)
    assert seen.bytes(PAGE - 3, 3) == random_stream(0, 3)


def test_a_memory_without_pages_can_be_pointed_into_with_nothing() -> None:
    result = build_text("""(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32)))
        (memory (export "memory") 0) (global $g (export "g") (mut i32) (i32.const -1))
        (func (export "wizer-initialize") (global.set $g (call $r (i32.const 0) (i32.const 0)))))""")
    assert result.report.host.random_bytes == 0


def test_a_guest_sees_memory_that_grew_since_its_last_call() -> None:
    result = build_text("""(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "wizer-initialize")
            (i32.store (i32.const 0) (call $r (i32.const 65536) (i32.const 4)))
            (drop (memory.grow (i32.const 1)))
            (i32.store (i32.const 4) (call $r (i32.const 65536) (i32.const 4)))))""")
    memory = Running(result.wasm).state().memories[0]
    assert memory[:8] == bytes([Errno.FAULT, 0, 0, 0, 0, 0, 0, 0])
    assert memory[PAGE : PAGE + 4] == random_stream(0, 4)


def test_counts_beyond_reason_are_cut_or_refused() -> None:
    guest = Guest(pages=2000)
    fits = 2000 * PAGE // 8
    count = guest.room(4)
    guest.call("fd_write", 1, 0, fits, count)  # 16 million empty buffers
    guest.call("fd_read", 0, 0, fits, guest.room(4))
    guest.call("poll_oneoff", 0, 0, 2000 * PAGE // 48, guest.room(4))
    guest.call("poll_oneoff", 0, 0, HUGE, guest.room(4))
    guest.call("fd_write", 1, 0, HUGE, guest.room(4))
    seen = guest.run()
    assert seen.errnos == (Errno.SUCCESS, Errno.SUCCESS, Errno.INVAL, Errno.INVAL, Errno.FAULT)


def test_a_write_of_the_whole_memory_many_times_over_is_cut_and_says_so() -> None:
    guest = Guest(pages=2000)
    count = guest.put(b"\xff" * 4)
    guest.call("fd_write", 1, *guest.vectors(*[(PAGE, 1900 * PAGE)] * 1000), count)
    seen = guest.run(Host(quiet_guest=True))
    assert seen.errnos == (Errno.SUCCESS,)
    assert seen.u32(count) == 64 << 20


def test_a_path_longer_than_any_is_refused(tmp_path: os.PathLike[str]) -> None:
    guest = Guest(pages=2000)
    guest.call("path_filestat_get", 3, 0, PAGE, 1990 * PAGE, guest.room(64))
    assert guest.run(Host(dirs=((os.fspath(tmp_path), "/"),))).errnos == (Errno.NAMETOOLONG,)


def test_a_demand_for_4_gib_of_random_bytes_ends_with_the_time_limit() -> None:
    guest = Guest(pages=65536)
    guest.call("random_get", 0, HUGE)
    with pytest.raises(TimeLimit):
        guest.build(timeout=1.5)


# -- descriptors


OPEN_FOR_EVER = """(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1) (data (i32.const 64) "hello.txt")
    (func (export "wizer-initialize")
        (loop $more
            (i32.store (i32.const 0) (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 9)
                (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
            (br_if $more (i32.and (i32.eqz (i32.load (i32.const 0)))
                (i32.lt_u (i32.load (i32.const 8)) (i32.const MOST)))))
        END))"""


def test_too_many_descriptors_are_an_errno_or_if_the_host_has_fewer_an_error(folder: Path) -> None:
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = OPEN_FOR_EVER.replace("MOST", "100000").replace("END", "")
    if hard == resource.RLIM_INFINITY or hard > MOST_DESCRIPTORS + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_DESCRIPTORS + 200, hard))
        try:
            memory = Running(build_text(endless, host=given(folder)).wasm).state().memories[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (memory[0], struct.unpack_from("<I", memory, 8)[0]) == (Errno.MFILE, MOST_DESCRIPTORS - 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with pytest.raises(InitializerFailed, match="the host failed"):
            build_text(endless, host=given(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert held(folder) == []


def test_a_build_leaves_no_files_open(folder: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    guest.open("sub/deep")
    guest.build(given(folder))
    assert held(folder) == []


def test_a_build_that_fails_leaves_no_files_open_either(folder: Path) -> None:
    leaving = OPEN_FOR_EVER.replace("MOST", "20").replace("END", "(call $exit (i32.const 1))")
    with pytest.raises(GuestExit):
        build_text(leaving, host=given(folder))
    assert held(folder) == []
