"""What a process sees besides files: arguments, environment, clocks, random numbers, waiting, its end."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from itertools import accumulate

from ...errors import GuestExit, GuestTrap, RandomDenied, UsageError
from ...options import Host
from ...tuples import NamedTuple
from .abi import Errno, WasiError
from .entropy import HostEntropy, RandomStream
from .memory import GuestMemory
from .table import Table

_EVENT = struct.Struct("<QHB5xQH6x")
_SUBSCRIPTION_SIZE = 48
_CLOCK_SUBSCRIPTION = struct.Struct("<IxxxxQQH")
_ABSOLUTE = 1

#: Subscriptions of one poll: room to read and to write for all descriptors, and for some clocks.
MOST_SUBSCRIPTIONS = 4096

#: How far the monotonic clock moves after so many readings as `Host.clock_pace` says, in nanoseconds.
MONOTONIC_TICK = 4_000_000
#: Where it starts: some take zero for "not set", Go's runtime among them.
MONOTONIC_START = 1_000
_LATEST = (1 << 63) - 1
_REALTIME_CLOCK, _MONOTONIC_CLOCK = 0, 1
_HOST_CLOCKS = (time.time_ns, time.monotonic_ns, time.process_time_ns, time.thread_time_ns)
_CLOCKS = len(_HOST_CLOCKS)

#: Random bytes between two looks at the deadline.
_RANDOM_CHUNK = 1 << 16


class Clock(NamedTuple):
    """What an audit changes: how far the wall clock is ahead; where the monotonic one starts, and how far it moves
    after how many readings, None: those of the options. Times in nanoseconds."""

    ahead: int = 0
    start: int = MONOTONIC_START
    tick: int = MONOTONIC_TICK
    readings: int | None = None


class Fetch(NamedTuple):
    """A call that gave the guest strings: where it had the array of their addresses and the strings themselves put.

    `texts`: each with its NUL.
    """

    array: int
    strings: int
    texts: tuple[bytes, ...]


#: Places at which a guest may have fetched its environment, or its arguments: the last of each is remembered.
MOST_FETCHES = 1 << 16
#: Bytes of what stood in rooms that are remembered as they are, those of the latest calls.
_MOST_ROOM = 16 << 20


class Fetches:
    """What a guest fetched, the last for each place, in order.

    `room`: bytes that the guest is told its strings take in addition to twice what they do, but for the `honest` calls,
    by number. A guest makes that room for them, as WASI wants it, and nobody else uses it.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.room = 0
        self.honest: frozenset[int] = frozenset()
        #: Where the strings were put that were fetched after a call which told of room, by that call's number.
        self.made: dict[int, int] = {}
        self._asked = 0
        #: The calls since the guest last fetched something: how many there were, and those that told of room.
        self._since = 0
        self._told: set[int] = set()
        self._declined: set[int] = set()
        self._places: dict[int, Fetch] = {}
        self._rooms: dict[int, _Room] = {}
        self._remembered = 0

    def asked(self) -> bool:
        """The guest asks how large its strings are. Whether it is told of room."""
        number, self._asked = self._asked, self._asked + 1
        self._since += 1
        tells = bool(self.room) and number not in self.honest
        if tells and len(self._told) < MOST_FETCHES:
            self._told.add(number)
        return tells

    def note(self, fetch: Fetch, room: Callable[[], bytes | None]) -> None:
        """`room`: what stands behind the strings; None where the memory ends before the room does.

        Who asked several times may not have made room for what it was told each time.
        """
        self.calls += 1
        self._places.pop(fetch.array, None)
        if len(self._places) < MOST_FETCHES:
            self._places[fetch.array] = fetch
        self._forget(fetch.strings)
        content = room() if self._told and self._since == 1 else None
        if content is None:
            self._declined |= self._told
        else:
            (call,) = self._told
            if len(self.made) < MOST_FETCHES:
                self.made[call] = fetch.strings
            self._remember(fetch.strings, content)
        self._since, self._told = 0, set()

    def _forget(self, strings: int) -> None:
        known = self._rooms.pop(strings, None)
        if known is not None and isinstance(known.content, bytes):
            self._remembered -= known.size

    def _remember(self, strings: int, content: bytes) -> None:
        """Most rooms hold zeros; of other ones, of which there are too many, the hash is kept."""
        if content == bytes(len(content)):
            self._rooms[strings] = _Room(len(content), None)
            return
        self._rooms[strings] = _Room(len(content), content)
        self._remembered += len(content)
        for place, known in self._rooms.items():
            if self._remembered <= _MOST_ROOM or place == strings:
                break
            if isinstance(known.content, bytes):
                self._rooms[place] = _Room(known.size, hash(known.content))
                self._remembered -= known.size

    def room_of(self, fetch: Fetch, memory: memoryview) -> int:
        """Bytes of the room behind the strings of a call in which everything is as it was then; 0 where the guest made
        none, or used it for something else."""
        known = self._rooms.get(fetch.strings)
        if known is None:
            return 0
        end = fetch.strings + sum(map(len, fetch.texts))
        return known.size if known.holds(memory[end : end + known.size].tobytes()) else 0

    @property
    def declined(self) -> frozenset[int]:
        """The calls that told the guest of room, and after which it fetched nothing to there: it may have found it too
        much."""
        return frozenset(self._declined | self._told)

    @property
    def all(self) -> tuple[Fetch, ...]:
        return tuple(self._places.values())


class _Room(NamedTuple):
    """What stood in a room: bytes, their hash, or None for zeros."""

    size: int
    content: bytes | int | None

    def holds(self, now: bytes) -> bool:
        if self.content is None:
            return now == bytes(self.size)
        return self.content == (hash(now) if isinstance(self.content, int) else now)


def _room(strings: tuple[bytes, ...], fetches: Fetches) -> int:
    """Bytes of room for other strings than these: as much as these take, with an array, and what was asked for."""
    return fetches.room + sum(map(len, strings)) + 4 * (len(strings) + 1)


class ProcessFunctions:
    """A method has the name and the parameters of the WASI function; it returns nothing or raises `WasiError`.

    `check` is called every now and then in what may take long; it raises when time is over. `noted`: see `Functions`.
    `wait` sleeps for some
    nanoseconds; without it, the monotonic clock jumps.
    """

    def __init__(
        self,
        host: Host,
        memory: GuestMemory,
        table: Table,
        check: Callable[[], None],
        noted: Callable[[str], None],
        wait: Callable[[int], None] | None = None,
    ) -> None:
        self._memory = memory
        self._table = table
        self._check = check
        self._noted = noted
        self._wait: Callable[[int], object] = wait or self._advance
        self._args = tuple(_encoded(text) for text in host.args)
        self._environ = tuple(_encoded(f"{name}={value}") for name, value in host.env)
        self.arguments, self.environment = Fetches(), Fetches()
        self._realtime = host.time
        self._host_clock = host.clock == "host"
        self._pace = host.clock_pace
        self.set_clock(Clock())
        self._denies_random = host.random == "deny"
        self.random = HostEntropy() if host.random == "host" else RandomStream(host.seed or 0)
        self.clock_reads = [0] * _CLOCKS

    # -- arguments and environment

    def _strings_get(self, strings: tuple[bytes, ...], array: int, buffer: int, fetches: Fetches) -> None:
        starts = list(accumulate(map(len, strings), initial=buffer))
        end = starts.pop()
        addresses = struct.pack(f"<{len(starts)}I", *(start & 0xFFFFFFFF for start in starts))
        if strings:  # nothing is written where there is nothing, wherever that would be
            self._memory.write(array, addresses)
            self._memory.write(buffer, b"".join(strings))

        def room() -> bytes | None:
            try:
                return self._memory.read(end, _room(strings, fetches))
            except WasiError:
                return None

        fetches.note(Fetch(array, buffer, strings), room)

    def _sizes_get(self, strings: tuple[bytes, ...], count: int, size: int, fetches: Fetches) -> None:
        room = _room(strings, fetches) if strings and fetches.asked() else 0
        self._memory.write_u32(count, len(strings))
        self._memory.write_u32(size, sum(map(len, strings)) + room)

    def args_get(self, array: int, buffer: int) -> None:
        self._strings_get(self._args, array, buffer, self.arguments)

    def args_sizes_get(self, count: int, size: int) -> None:
        self._sizes_get(self._args, count, size, self.arguments)

    def environ_get(self, array: int, buffer: int) -> None:
        self._strings_get(self._environ, array, buffer, self.environment)

    def environ_sizes_get(self, count: int, size: int) -> None:
        self._sizes_get(self._environ, count, size, self.environment)

    # -- clocks and random numbers

    def set_clock(self, clock: Clock) -> None:
        """Before the guest runs."""
        self._clock = clock
        self._readings = self._pace if clock.readings is None else clock.readings
        #: Of the host's clock, how far ahead it is.
        self._monotonic = 0 if self._host_clock else clock.start

    def _advance(self, nanoseconds: int) -> int:
        moment = self._monotonic + nanoseconds
        if moment > _LATEST:
            moment = _LATEST
        self._monotonic = moment
        return moment

    def _host_now(self, clock: int) -> int:
        """One of the system's clocks; the monotonic one is ahead by the time that the guest slept."""
        if clock == _MONOTONIC_CLOCK:
            return min(time.monotonic_ns() + self._monotonic, _LATEST)
        return _HOST_CLOCKS[clock]()

    def _now(self, clock: int) -> int:
        """What a clock shows without moving it."""
        if self._host_clock:
            return self._host_now(clock)
        return self._realtime + self._clock.ahead if clock == _REALTIME_CLOCK else self._monotonic

    def wall_clock(self) -> int:
        """Nanoseconds since 1970."""
        return self._now(_REALTIME_CLOCK)

    def clock_res_get(self, clock: int, result: int) -> None:
        if clock >= _CLOCKS:
            raise WasiError(Errno.INVAL)
        exact = self._host_clock or clock == _REALTIME_CLOCK
        self._memory.write_u64(result, 1 if exact else self._clock.tick)

    def clock_time_get(self, clock: int, _precision: int, result: int) -> None:
        if clock >= _CLOCKS:
            raise WasiError(Errno.INVAL)
        self._memory.write_u64(result, self.read_clock(clock))

    def read_clock(self, clock: int) -> int:
        """What a clock shows to the guest, in nanoseconds."""
        if clock != _REALTIME_CLOCK and not self._host_clock:
            earlier = sum(self.clock_reads[_MONOTONIC_CLOCK:])
            if earlier and self._readings and earlier % self._readings == 0:
                self._advance(self._clock.tick)
        self.clock_reads[clock] += 1
        if clock == _REALTIME_CLOCK:
            self._noted("clock_time_get")
        return self._now(clock)

    @property
    def tick(self) -> int:
        """The monotonic clock's resolution, in nanoseconds."""
        return 1 if self._host_clock else self._clock.tick

    def now(self) -> int:
        """What the monotonic clock shows, for who waits: it does not move, and it is no reading."""
        return self._now(_MONOTONIC_CLOCK)

    def sleep(self, nanoseconds: int) -> None:
        """Waits, or moves the monotonic clock."""
        self._wait(nanoseconds)

    def take_random(self, size: int) -> bytes:
        """Random bytes for the guest. Raises `RandomDenied`."""
        self._check_random(size)
        if size:
            self._noted("random_get")
        return self.random.take(size)

    def _check_random(self, size: int) -> None:
        if self._denies_random and size:
            raise RandomDenied(f"the initializer asked for {size} random bytes, and there are none (--random deny)")

    def random_get(self, buffer: int, size: int) -> None:
        self._check_random(size)
        span = self._memory.span(buffer, size)
        if size:
            self._noted("random_get")
        for start in range(0, size, _RANDOM_CHUNK):
            self._check()
            part = span[start : start + _RANDOM_CHUNK]
            part[:] = self.random.take(len(part))

    # -- scheduling

    def sched_yield(self) -> None:
        pass

    def poll_oneoff(self, subscriptions: int, events: int, count: int, result: int) -> None:
        """Descriptors are ready at once; the first clock to end is waited for, or time jumps there."""
        if not 0 < count <= MOST_SUBSCRIPTIONS:
            raise WasiError(Errno.INVAL)
        ready: list[bytes] = []
        clocks: list[tuple[int, int]] = []
        wanted = self._memory.read(subscriptions, count * _SUBSCRIPTION_SIZE)
        for start in range(0, len(wanted), _SUBSCRIPTION_SIZE):
            user, tag = struct.unpack_from("<QB", wanted, start)
            if tag == 0:
                clock, timeout, _precision, flags = _CLOCK_SUBSCRIPTION.unpack_from(wanted, start + 16)
                if clock >= _CLOCKS:
                    ready.append(_EVENT.pack(user, Errno.INVAL, tag, 0, 0))
                    continue
                wait = max(0, timeout - self._now(clock)) if flags & _ABSOLUTE else timeout
                clocks.append((wait, user))
            elif tag in (1, 2):
                (fd,) = struct.unpack_from("<I", wanted, start + 16)
                number = Errno.SUCCESS if fd in self._table else Errno.BADF
                ready.append(_EVENT.pack(user, number, tag, 1, 0))
            else:
                raise WasiError(Errno.INVAL)
        if not ready:
            soonest = min(wait for wait, _ in clocks)
            self._wait(soonest)
            ready = [_EVENT.pack(user, Errno.SUCCESS, 0, 0, 0) for wait, user in clocks if wait == soonest]
        self._memory.write(events, b"".join(ready))
        self._memory.write_u32(result, len(ready))

    # -- the end

    def proc_exit(self, code: int) -> None:
        raise GuestExit(f"the initializer called proc_exit({code})", status=code)

    def proc_raise(self, signal: int) -> None:
        raise GuestTrap(f"the initializer raised signal {signal}")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape") + b"\0"
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} can't be written in UTF-8, so no guest can see it") from None
