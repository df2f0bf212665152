"""How long each pass takes, and which one it is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

#: What a pass of a build is called; other commands name their steps in such words themselves.
WORDS = {
    "parse": "reading the module",
    "choose": "looking at the module",
    "instrument": "preparing the module",
    "compile": "compiling the module",
    "instantiate": "instantiating the module",
    "run": "running the initializer",
    "capture": "taking the snapshot",
    "audit": "running the initializer again",
    "profile": "keeping compiled code",
    "rewrite": "writing the module",
    "validate": "validating the output",
    "compare": "comparing input and output",
    "call": "calling exports",
}


class Stopwatch:
    """Adds up the seconds of each pass: `with watch("parse"): ...`. Not nested, one thread at a time.

    Another thread may look at it. `stage` is the pass, `detail` what of it, if there is more to say; `started` when
    the first one began, on `time.perf_counter`. `compiled` tells how many functions are compiled, how many bytes of
    their code, in how many modules; None while nothing is compiled on demand. `listener` is told of each pass that
    ended, with its seconds, and of each `note`, with None.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = 0.0  # of the pass that ended last
        self.stage = ""
        self.detail = ""
        self.started = time.perf_counter()
        self.compiled: Callable[[], tuple[int, int, int]] | None = None
        self.listener: Callable[[str, float | None], None] | None = None
        self._started = 0.0

    def note(self, said: str) -> None:
        """Says what was found out or decided, for those who want to know."""
        if self.listener:
            self.listener(said, None)

    def __call__(self, name: str, detail: str = "") -> Stopwatch:
        self.stage, self.detail = name, detail
        return self

    def doing(self) -> str:
        """What is done now, in words."""
        said = WORDS.get(self.stage, self.stage)
        return f"{said}: {self.detail}" if self.detail else said

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.last = time.perf_counter() - self._started
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + self.last
        if self.listener:
            self.listener(self.stage, self.last)
