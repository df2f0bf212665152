"""The guest's clocks: where they stand, and the host's; in the library and the command."""

from __future__ import annotations

import struct
import time

import pytest

from preinit.host.wasi1.abi import Errno
from preinit.host.wasi1.process import MONOTONIC_START
from preinit.options import LATEST_SECOND, Host
from tests.support.command import fails, run
from tests.support.instances import Running
from tests.support.modules import wasm
from tests.support.wasi_guest import Guest

SECOND = 10**9


class Clocks:
    """A guest that reads the four clocks, and what it saw."""

    def __init__(self) -> None:
        self.guest = Guest()
        self.places = [self.guest.room(8) for _ in range(4)]
        for clock, place in enumerate(self.places):
            self.guest.call("clock_time_get", clock, 0, place)

    def of(self, host: Host) -> list[int]:
        seen = self.guest.run(host)
        return [seen.u64(place) for place in self.places]

    def of_command(self, *options: str, **environment: str) -> list[int]:
        done = run("build", "-", *options, stdin=wasm(self.guest.wat()), code=0, **environment)
        memory = Running(done.stdout).state().memories[0]
        return [int.from_bytes(memory[place : place + 8], "little") for place in self.places]


def test_the_wall_clock_stands_where_it_was_put_and_the_others_stand_for_a_while() -> None:
    assert Clocks().of(Host(clock=1_700_000_000)) == [1_700_000_000 * SECOND, *[MONOTONIC_START] * 3]
    assert Clocks().of(Host(clock=LATEST_SECOND))[0] == LATEST_SECOND * SECOND


def test_the_host_s_clocks_are_shown_when_asked_for() -> None:
    before = time.time_ns()
    wall, monotonic, process, thread = Clocks().of(Host(clock="host"))
    assert before <= wall <= time.time_ns()
    assert 0 < monotonic <= time.monotonic_ns()
    assert 0 <= thread <= process


def test_sleeping_moves_the_host_s_monotonic_clock_too() -> None:
    day = 86_400 * SECOND
    guest = Guest()
    now, count, events = guest.room(8), guest.room(4), guest.room(32)
    wanted = guest.put(struct.pack("<QB7xIxxxxQQH", 7, 0, 1, day, 0, 0).ljust(48, b"\0"))
    guest.call("poll_oneoff", wanted, events, 1, count)
    guest.call("clock_time_get", 1, 0, now)
    started = time.monotonic_ns()
    seen = guest.run(Host(clock="host"))
    assert seen.errnos == (Errno.SUCCESS, Errno.SUCCESS)
    assert seen.u64(now) >= started + day


@pytest.mark.parametrize(
    ("options", "environment", "seconds"),
    [
        ((), {}, 0),
        (("--clock", "epoch:1700000000"), {}, 1_700_000_000),
        ((), {"SOURCE_DATE_EPOCH": "1600000000"}, 1_600_000_000),
        (("--clock=epoch:0",), {"SOURCE_DATE_EPOCH": "1600000000"}, 0),
        (("--clock=epoch:5",), {"SOURCE_DATE_EPOCH": "not used"}, 5),
    ],
)
def test_the_command_takes_the_clock_from_its_option_or_the_environment(
    options: tuple[str, ...], environment: dict[str, str], seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert Clocks().of_command(*options, **environment)[0] == seconds * SECOND


def test_the_command_shows_the_host_s_clock_when_asked_for() -> None:
    before = time.time_ns()
    assert Clocks().of_command("--clock", "host", SOURCE_DATE_EPOCH="1")[0] >= before


@pytest.mark.parametrize(
    "value", ["", "epoch", "epoch:", "epoch:-1", "epoch:1.5", "epoch:٣", "now", "epoch:9223372037"]
)
def test_a_clock_that_can_not_be_is_wrong_usage(value: str) -> None:
    said = fails("build", "-", "--clock", value, stdin=wasm("(module)"), code=2)
    assert "--clock" in said
    assert "what to do" in said


def test_an_empty_source_date_epoch_is_as_good_as_unset() -> None:
    said = fails("build", "-", stdin=wasm("(module)"), code=1, SOURCE_DATE_EPOCH="")
    assert "SOURCE_DATE_EPOCH" not in said


@pytest.mark.parametrize("value", ["-1", "tomorrow", "1.5", "99999999999999"])
def test_a_source_date_epoch_that_is_no_time_is_wrong_usage(value: str) -> None:
    said = fails("build", "-", stdin=wasm("(module)"), code=2, SOURCE_DATE_EPOCH=value)
    assert "SOURCE_DATE_EPOCH" in said


def test_builds_with_fixed_policies_give_the_same_bytes() -> None:
    guest = Clocks().guest
    guest.call("random_get", guest.room(16), 16)
    host = Host(clock=5, random="seed:9")
    assert guest.build(host).wasm == guest.build(host).wasm != guest.build().wasm
