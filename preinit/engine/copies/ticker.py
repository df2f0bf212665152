"""Time limits of many copies that share one engine, whose epoch is the clock that their code looks at."""

from __future__ import annotations

import math
import threading
import time

from .. import ffi

#: Seconds between two looks at the time: a copy runs at most that much longer than it may.
TICK = 0.02

#: Seconds that a copy can be given.
LONGEST = 86_400.0


class Ticker:
    """Moves an engine's epoch on, once in each `TICK`, while any copy is there."""

    def __init__(self, engine: ffi.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._copies = 0
        self._longest = 0
        self._closed = False
        threading.Thread(target=self._work, name="preinit-ticker", daemon=True).start()

    def enter(self, seconds: float) -> int:
        """A copy is there for that long: in how many ticks its time is over."""
        ticks = math.ceil(min(seconds, LONGEST) / TICK) + 1
        with self._lock:
            self._copies += 1
            self._longest = max(self._longest, ticks)
            if self._copies == 1:
                self._busy.set()
        return ticks

    def leave(self) -> None:
        with self._lock:
            self._copies -= 1
            if not self._copies and not self._closed:
                self._busy.clear()

    def skip(self) -> None:
        """Ends the time of every copy that is there."""
        self._advance(self._longest + 1)

    def close(self) -> None:
        """Ends the time of every copy that is there: nobody counts it any more."""
        with self._lock:
            self._closed = True
            self._busy.set()
            if self._copies:
                self.skip()

    def _advance(self, ticks: int) -> None:
        for _ in range(ticks):
            self._engine.increment_epoch()

    def _work(self) -> None:
        while not self._closed:
            self._busy.wait()
            before = time.monotonic()
            time.sleep(TICK)
            # On a busy machine one sleep takes several ticks.
            self._advance(max(1, min(1000, int((time.monotonic() - before) / TICK))))
