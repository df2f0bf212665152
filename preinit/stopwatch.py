"""How long each pass takes, and which one it is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType


class Stopwatch:
    """Adds up the seconds of each pass: `with watch("parse"): ...`. Not nested, one thread at a time.

    Another thread may look at it. `stage` is the pass, `started` when the first one began, on `time.perf_counter`.
    `compiled` tells how many functions are compiled, how many bytes of their code, in how many modules; None while
    nothing is compiled on demand. `listener` is told of each pass that ended, with its seconds, and of each `note`,
    with None.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = 0.0  # of the pass that ended last
        self.stage = ""
        self.started = time.perf_counter()
        self.compiled: Callable[[], tuple[int, int, int]] | None = None
        self.listener: Callable[[str, float | None], None] | None = None
        self._started = 0.0

    def note(self, said: str) -> None:
        """Says what was found out or decided, for those who want to know."""
        if self.listener:
            self.listener(said, None)

    def __call__(self, name: str) -> Stopwatch:
        self.stage = name
        return self

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.last = time.perf_counter() - self._started
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + self.last
        if self.listener:
            self.listener(self.stage, self.last)
