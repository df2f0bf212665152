"""What the guest sees of the world, besides files."""

from __future__ import annotations

import os
import struct
import sys

import pytest

from preinit.errors import GuestExit, GuestTrap, UsageError
from preinit.host.wasi1.abi import Errno
from preinit.host.wasi1.process import MONOTONIC_START, MONOTONIC_TICK
from preinit.options import Host
from preinit.options.host import CLOCK_PACE
from tests.support.instances import Running
from tests.support.modules import build_text
from tests.support.wasi_guest import PAGE, Guest, random_stream

HUGE = 0xFFFFFFFF


def strings(kind: str, host: Host) -> tuple[list[bytes], int]:
    """The strings that `kind`_get stores, and the bytes that `kind`_sizes_get announces."""
    guest = Guest()
    count, size, array, buffer = guest.room(4), guest.room(4), guest.room(64), guest.room(256)
    guest.call(f"{kind}_sizes_get", count, size)
    guest.call(f"{kind}_get", array, buffer)
    seen = guest.run(host)
    assert set(seen.errnos) == {Errno.SUCCESS}
    addresses = [seen.u32(array + 4 * i) for i in range(seen.u32(count))]
    return [seen.memory[a : seen.memory.index(b"\0", a)] for a in addresses], seen.u32(size)


# -- environment and arguments


@pytest.mark.parametrize("kind", ["environ", "args"])
def test_environment_and_arguments_are_empty_by_default(kind: str) -> None:
    assert strings(kind, Host()) == ([], 0)


@pytest.mark.parametrize("kind", ["environ", "args"])
def test_where_there_is_nothing_to_get_it_does_not_matter_where_it_would_be_put(kind: str) -> None:
    guest = Guest()
    guest.call(f"{kind}_get", HUGE, HUGE)
    assert set(guest.run(Host()).errnos) == {Errno.SUCCESS}


def test_the_environment_holds_what_was_given_in_that_order() -> None:
    host = Host(env=(("Z", "1"), ("A", ""), ("NAME", "väl=ue")))
    assert strings("environ", host) == ([b"Z=1", b"A=", "NAME=väl=ue".encode()], 4 + 3 + 13)


def test_the_arguments_are_those_that_were_given() -> None:
    assert strings("args", Host(args=("prog", "", "-x y"))) == ([b"prog", b"", b"-x y"], 5 + 1 + 5)


def test_an_argument_that_is_not_utf8_keeps_its_bytes() -> None:
    assert strings("args", Host(args=(os.fsdecode(b"a\xff"),)))[0] == [b"a\xff"]


def test_an_argument_that_no_guest_could_read_is_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        Guest().build(Host(args=("\ud800",)))


# -- standard streams


def test_standard_input_is_empty_by_default() -> None:
    guest = Guest()
    _, count = guest.read(0, 8)
    seen = guest.run()
    assert (seen.errnos, seen.u32(count)) == ((Errno.SUCCESS,), 0)


def test_standard_input_is_read_in_pieces_and_into_several_buffers() -> None:
    guest = Guest()
    first, second, count = guest.room(3), guest.room(4), guest.room(4)
    guest.call("fd_read", 0, *guest.vectors((first, 3), (0, 0), (second, 4)), count)
    rest, rest_count = guest.read(0, 16)
    seen = guest.run(Host(stdin=b"standard input"))
    assert (seen.bytes(first, 3), seen.bytes(second, 4), seen.u32(count)) == (b"sta", b"ndar", 7)
    assert seen.bytes(rest, seen.u32(rest_count)) == b"d input"


def test_output_and_errors_of_the_guest_go_where_the_caller_says() -> None:
    printed, errors = bytearray(), bytearray()
    guest = Guest()
    written = guest.room(4)
    guest.write(1, b"out\xff\n")
    spans = [(guest.put(part), len(part)) for part in (b"several", b"", b" parts\n")]
    guest.call("fd_write", 2, *guest.vectors(*spans), written)
    seen = guest.run(Host(stdout=printed.extend, stderr=errors.extend))
    assert seen.u32(written) == len(b"several parts\n")
    assert (printed, errors) == (b"out\xff\n", b"several parts\n")


def test_what_nobody_takes_is_logged_line_by_line(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    guest = Guest()
    for stream, text in ((1, b"out\xff\nbe"), (2, b"error\r\n"), (1, b"gun"), (1, b" and done\n\nopen")):
        guest.write(stream, text)
    with caplog.at_level("INFO", "preinit.guest"):
        guest.run()
    assert caplog.messages == ["out\ufffd", "error", "begun and done", "", "open"]
    assert capfd.readouterr() == ("", "")


def test_a_quiet_build_drops_the_guests_output() -> None:
    printed = bytearray()
    guest = Guest()
    guest.write(1, b"out")
    guest.write(2, b"err")
    host = Host(quiet_guest=True, stdout=printed.extend, stderr=printed.extend)
    assert guest.run(host).errnos == (Errno.SUCCESS, Errno.SUCCESS)
    assert not printed


@pytest.mark.parametrize("stream", ["none", "closed", "text only"])
def test_the_module_does_not_depend_on_whether_the_output_is_read(
    stream: str, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    guest = Guest()
    guest.write(2, b"hello")
    expected = guest.build().wasm
    with open(os.path.join(tmp_path, "log"), "w") as log:
        if stream == "closed":
            log.close()
        monkeypatch.setattr(sys, "stderr", {"none": None, "closed": log, "text only": Text()}[stream])
        assert guest.build().wasm == expected


class Text:
    """A stream that takes text only, like those of a notebook."""

    def write(self, text: str) -> None:
        assert text in ("hello", "\n")


def test_streams_have_one_direction_and_no_position() -> None:
    guest = Guest()
    guest.write(0, b"x")
    guest.read(1, 1)
    guest.call("fd_seek", 1, 0, 0, guest.room(8))
    guest.call("fd_tell", 0, guest.room(8))
    guest.call("fd_pread", 0, *guest.vectors((guest.room(8), 8)), 0, guest.room(4))
    guest.call("fd_pwrite", 1, *guest.vectors(), 0, guest.room(4))
    assert guest.run().errnos == (Errno.BADF, Errno.BADF, Errno.SPIPE, Errno.SPIPE, Errno.SPIPE, Errno.SPIPE)


def test_a_stream_is_no_terminal() -> None:
    guest = Guest()
    status, metadata = guest.room(24), guest.room(64)
    guest.call("fd_fdstat_get", 1, status)
    guest.call("fd_filestat_get", 1, metadata)
    seen = guest.run()
    assert seen.errnos == (Errno.SUCCESS, Errno.SUCCESS)
    assert seen.memory[status] == seen.memory[metadata + 16] == 0  # filetype unknown
    assert seen.u64(status + 8) & 1 << 6  # may be written


# -- clocks, random numbers, waiting


def test_the_wall_clock_stands_at_zero() -> None:
    guest = Guest()
    times = [guest.put(b"\xff" * 8) for _ in range(2)]
    for address in times:
        guest.call("clock_time_get", 0, 1, address)
    seen = guest.run()
    assert [seen.u64(address) for address in times] == [0, 0]


#: A guest that reads the monotonic clock, and the two that move with it, until it has moved twice.
WAITING = """(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (global $readings (export "readings") (mut i64) (i64.const 0))
  (func $now (result i64)
    (global.set $readings (i64.add (global.get $readings) (i64.const 1)))
    (drop (call $clock_time_get
      (i32.add (i32.const 1) (i32.wrap_i64 (i64.rem_u (global.get $readings) (i64.const 3))))
      (i64.const 0) (i32.const 0)))
    (i64.load (i32.const 0)))
  (func (export "preinit_initialize") (local $first i64) (local $second i64)
    (local.set $first (call $now))
    (loop $again (br_if $again (i64.eq (local.get $first) (local.tee $second (call $now)))))
    (i64.store (i32.const 16) (global.get $readings))
    (loop $again (br_if $again (i64.eq (local.get $second) (call $now))))
    (i64.store (i32.const 24) (global.get $readings))
    (i64.store (i32.const 32) (local.get $first))
    (i64.store (i32.const 40) (local.get $second))))"""


def test_the_monotonic_clock_stands_while_a_program_measures_and_moves_for_one_that_waits() -> None:
    memory = Running(build_text(WAITING).wasm).state().memories[0]
    last, *_, first_wait, second_wait, first, second = struct.unpack_from("<6Q", memory)
    assert (first_wait, second_wait) == (CLOCK_PACE + 1, 2 * CLOCK_PACE + 1)
    assert first == MONOTONIC_START > 0
    assert (second, last) == (first + MONOTONIC_TICK, first + 2 * MONOTONIC_TICK)


def test_the_monotonic_clock_moves_as_often_as_is_said() -> None:
    memory = Running(build_text(WAITING, host=Host(clock_pace=5)).wasm).state().memories[0]
    assert struct.unpack_from("<6Q", memory)[2:4] == (6, 11)


def test_the_monotonic_clock_says_how_far_it_moves() -> None:
    guest = Guest()
    resolution = guest.room(8)
    guest.call("clock_res_get", 1, resolution)
    assert guest.run().u64(resolution) == MONOTONIC_TICK


def test_there_is_no_fifth_clock() -> None:
    guest = Guest()
    guest.call("clock_time_get", 4, 1, guest.room(8))
    guest.call("clock_res_get", HUGE, guest.room(8))
    assert guest.run().errnos == (Errno.INVAL, Errno.INVAL)


@pytest.mark.parametrize("seed", [0, 7, -1])
def test_random_numbers_are_sha256_in_counter_mode(seed: int) -> None:
    guest = Guest()
    parts = [(guest.room(size), size) for size in (5, 0, 64, 27, 100)]
    for part in parts:
        guest.call("random_get", *part)
    seen = guest.run(Host(random=f"seed:{seed}"))
    assert b"".join(seen.bytes(*part) for part in parts) == random_stream(seed, 196)
    assert seen.result.report.host.random_bytes == 196


def test_many_random_bytes_continue_the_same_stream() -> None:
    guest = Guest(pages=4)
    guest.call("random_get", PAGE, 2 * PAGE + 5)
    assert guest.run().bytes(PAGE, 2 * PAGE + 5) == random_stream(0, 2 * PAGE + 5)


def test_two_builds_have_the_same_random_numbers_and_another_seed_has_others() -> None:
    guest = Guest()
    guest.call("random_get", guest.room(40), 40)
    assert guest.build().wasm == guest.build().wasm
    assert guest.build().wasm != guest.build(Host(random="seed:1")).wasm


def subscribed(*entries: tuple[int, int, bytes]) -> bytes:
    return b"".join(struct.pack("<QB7x", user, tag) + body.ljust(32, b"\0") for user, tag, body in entries)


def clock(number: int, timeout: int, absolute: bool = False) -> bytes:
    return struct.pack("<IxxxxQQH", number, timeout, 0, absolute)


def poll(*entries: tuple[int, int, bytes]) -> tuple[list[tuple[int, int, int]], int]:
    """(userdata, errno, type) of each event of one poll; the monotonic clock when it is read afterwards."""
    guest = Guest()
    wanted, events = guest.put(subscribed(*entries)), guest.room(32 * len(entries))
    count, now = guest.room(4), guest.room(8)
    guest.call("poll_oneoff", wanted, events, len(entries), count)
    guest.call("clock_time_get", 1, 0, now)
    seen = guest.run()
    assert set(seen.errnos) == {Errno.SUCCESS}
    found = [struct.unpack_from("<QHB", seen.memory, events + 32 * i) for i in range(seen.u32(count))]
    return found, seen.u64(now)


def test_sleeping_returns_at_once_and_moves_the_monotonic_clock() -> None:
    day = 86_400 * 10**9
    events, now = poll((7, 0, clock(1, day)), (8, 0, clock(1, 2 * day)), (9, 0, clock(0, day)))
    assert events == [(7, 0, 0), (9, 0, 0)]
    assert now == day + MONOTONIC_START


def test_a_time_that_is_over_is_not_waited_for() -> None:
    assert poll((7, 0, clock(0, 0, absolute=True))) == ([(7, 0, 0)], MONOTONIC_START)


def test_sleeping_for_ever_does_not_turn_the_clock_back() -> None:
    _, now = poll((7, 0, clock(1, (1 << 64) - 1)))
    assert now == (1 << 63) - 1


def test_descriptors_are_ready_before_any_clock() -> None:
    stdin, missing = struct.pack("<I", 0), struct.pack("<I", 99)
    events, now = poll((1, 0, clock(1, 10**9)), (2, 1, stdin), (3, 2, missing), (4, 0, clock(9, 1)))
    assert events == [(2, 0, 1), (3, Errno.BADF, 2), (4, Errno.INVAL, 0)]
    assert now == MONOTONIC_START


def test_a_poll_for_nothing_or_of_no_known_type_is_invalid() -> None:
    guest = Guest()
    guest.call("poll_oneoff", guest.room(48), guest.room(32), 0, guest.room(4))
    guest.call("poll_oneoff", guest.put(subscribed((1, 3, b""))), guest.room(32), 1, guest.room(4))
    assert guest.run().errnos == (Errno.INVAL, Errno.INVAL)


def test_yielding_succeeds() -> None:
    guest = Guest()
    guest.call("sched_yield")
    assert guest.run().errnos == (Errno.SUCCESS,)


# -- the end


def test_an_initializer_that_exits_is_an_error_even_with_code_zero() -> None:
    wat = """(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func $leave (call $exit (i32.const 0)))
        (func (export "wizer-initialize") (call $leave)))"""
    with pytest.raises(GuestExit, match=r"proc_exit\(0\)") as caught:
        build_text(wat)
    assert [frame.name for frame in caught.value.frames] == ["leave", "wizer-initialize"]


def test_a_signal_is_an_error() -> None:
    guest = Guest()
    guest.call("proc_raise", 6)
    with pytest.raises(GuestTrap, match="signal 6"):
        guest.build()
