"""Cutting large memories into data segments, in compiled code: a small module of our own that the engine runs.

It does what `passes.rewrite` says in Python, in a quarter of the time; and other threads run meanwhile. To compile it
takes 3 ms, once for a process. The memory is not the module's: parts of it are copied into a window, one by one, which
takes less time than to read them.
"""

from __future__ import annotations

import ctypes
import os
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress

from . import ffi
from .room import has_limit
from .values import EngineError

#: Where things are in the module's memory, see cutter.wat.
WINDOW = 1 << 20
_STARTS, _ENDS, _SEGMENTS = 1 << 20, 3 << 20, 5 << 20

#: Runs that are written at once.
MOST_RUNS = (_ENDS - _STARTS) // 8


class Cutter:
    """One instance of the module, for one memory; `close` frees it."""

    def __init__(self, engine: ffi.Engine, module: ffi.Module, is_64: bool) -> None:
        """Raises `EngineError`."""
        self._store = ffi.Store(engine)
        instance = ffi.instantiate(self._store, module, ())
        self._exports = {name: ffi.export(self._store, instance, name) for name in _NAMES}
        self._address, size = ffi.memory_place(self._store, ffi.export(self._store, instance, "memory"))
        self._memory = ffi.memory_view(self._address, size)
        self._sign = 1 << (63 if is_64 else 31)

    def close(self) -> None:
        """Frees its memory."""
        self._memory = memoryview(b"")
        self._store.close()

    def cut(
        self, content: memoryview, ranges: Iterable[tuple[int, int]], costs: Sequence[int], most: int
    ) -> tuple[list[int], list[int]] | None:
        """Where the runs of a memory start, and where they end: what becomes a segment each.

        `ranges`: in order; outside of them all is zero. `costs`, in bytes: how many zeros may be left out; the price of
        a segment besides its header; the same where zeros are as many as those that were kept last; what a header has
        but for the offset and the length. None where there are more than `most`.
        """
        self._call("begin", *costs, self._sign)
        starts: list[int] = []
        ends: list[int] = []
        for base, part in _windows(content, ranges):
            size = -(-len(part) // 8) * 8
            if size != len(part):
                self._memory[size - 8 : size] = bytes(8)
            self._memory[: len(part)] = part
            self._take(self._call("cut", base, size), starts, ends)
            if len(starts) > most:
                return None
        self._take(self._call("end"), starts, ends)
        return (starts, ends) if len(starts) <= most else None

    def _take(self, count: int, starts: list[int], ends: list[int]) -> None:
        starts += self._memory[_STARTS : _STARTS + 8 * count].cast("q").tolist()
        ends += self._memory[_ENDS : _ENDS + 8 * count].cast("q").tolist()

    def segments(self, content: memoryview, starts: Sequence[int], ends: Sequence[int], head: bytes) -> list[bytes]:
        """The active segments of those runs, one behind the other, in some pieces.

        `starts`, `ends`: in order, at most `MOST_RUNS`. `head`: what each has before the number of its offset, at most
        8 bytes.
        """
        count = len(starts)
        for place, numbers in ((_STARTS, starts), (_ENDS, ends)):
            self._memory[place : place + 8 * count] = memoryview(array("q", numbers)).cast("B")
        self._call("begin_writing", count, int.from_bytes(head, "little"), len(head), self._sign)
        pieces: list[bytes] = []
        at = starts[0] if starts else 0
        while starts and at < ends[-1]:
            base = at // WINDOW * WINDOW
            part = content[base : base + WINDOW]
            self._memory[: len(part)] = part
            size = self._call("write", base, len(part))
            pieces.append(ctypes.string_at(self._address + _SEGMENTS, size))
            at = base + WINDOW
            following = bisect_right(ends, at)  # the first run that has something behind the window
            if following < count:
                at = max(at, starts[following])
        return pieces

    def _call(self, name: str, *arguments: int) -> int:
        """Calls an export with numbers of at most 64 bits. Gives its result, of 32 bits; nothing useful without one."""
        raw = [number.to_bytes(16, "little") for number in arguments]
        return int.from_bytes(ffi.call(self._store, self._exports[name], raw, 1)[0][:4], "little")


_NAMES = ("begin", "cut", "end", "begin_writing", "write")


def _windows(content: memoryview, ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, memoryview]]:
    """Parts of a memory that fit into the window, and where they start."""
    for start, end in ranges:
        for base in range(start, end, WINDOW):
            yield base, content[base : min(base + WINDOW, end)]


class _Compiled:
    """The module, compiled once for a process, in an engine of its own: with what is best for it, on all machines."""

    lock = threading.Lock()
    found: tuple[ffi.Engine, ffi.Module] | None = None

    @classmethod
    def forked(cls) -> None:
        """In a copy of the process: who held the lock is not there."""
        cls.lock = threading.Lock()

    @classmethod
    def get(cls) -> tuple[ffi.Engine, ffi.Module]:
        """Raises `EngineError`."""
        with cls.lock:
            if cls.found is None:
                config = ffi.Config()
                config.set("parallel_compilation", False)  # the engine's threads may be those of another process
                engine = ffi.Engine(config)
                with open(os.path.join(os.path.dirname(__file__), "cutter.wat"), "rb") as stream:
                    cls.found = engine, ffi.compile_module(engine, ffi.binary(stream.read()))
            return cls.found


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Compiled.forked)


def get_ready() -> None:
    """Compiles the module, if that was not done yet."""
    if not has_limit():
        with suppress(EngineError):
            _Compiled.get()


def new_cutter(is_64: bool) -> Cutter | None:
    """For a memory of 64-bit addresses, or 32-bit ones.

    None where it can't be had: address space is limited, or the engine has no room.
    """
    if has_limit():  # what a process needs is more than seems fair to take for speed alone
        return None
    try:
        return Cutter(*_Compiled.get(), is_64)
    except EngineError:
        return None
