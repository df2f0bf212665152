"""How long each pass takes."""

from __future__ import annotations

import time
from types import TracebackType


class Stopwatch:
    """Adds up the seconds of each pass: `with watch("parse"): ...`. Not nested, one thread at a time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = 0.0  # of the pass that ended last
        self._name = ""
        self._started = 0.0

    def __call__(self, name: str) -> Stopwatch:
        self._name = name
        return self

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.last = time.perf_counter() - self._started
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + self.last
