"""Who is told how far a build is: which stage it is in, how long each took, what was found out meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from ..tuples import NamedTuple

if TYPE_CHECKING:
    from ..binary.rope import Rope

#: What a stage of a build is called; other commands name their stages in such words themselves.
WORDS = {
    "parse": "reading the module",
    "plan": "looking at the module",
    "choose": "choosing how to compile it",
    "check": "validating the module",
    "instrument": "preparing the module",
    "compile": "compiling the module",
    "instantiate": "instantiating the module",
    "run": "running the initializer",
    "script": "running the script",
    "settle": "looking at what it asked for",
    "capture": "taking the snapshot",
    "late": "finding what an instance brings itself",
    "audit": "running the initializer again",
    "profile": "keeping compiled code",
    "rewrite": "writing the module",
    "validate": "validating the output",
    "compare": "comparing input and output",
    "call": "calling exports",
    "load": "loading the output in its own glue",
    "answer": "comparing answers",
}


class Event(NamedTuple):
    """A stage begins or has ended, after so many `seconds`, also where it failed; or a note: what was found out.

    `said`: the stage, one of those in `WORDS`, or the note. `detail`: what of it, if there is more to say.
    """

    kind: Literal["begins", "ended", "note"]
    said: str
    seconds: float = 0.0
    detail: str = ""


Listener = Callable[[Event], object]


class Observer:
    """Adds up the seconds of each stage: `with observer.stage("parse"): ...`. Not nested, one thread at a time.

    Another thread may look at it. `now` is the stage, which may be set anew inside; `detail` what of it, if there is
    more to say; `started` when the object was made, on `time.perf_counter`. `compiled` tells how many functions are
    compiled, how many bytes of their code, in how many modules; None while nothing is compiled on demand. `listeners`
    are called with each event, in the thread in which it happens. `output` is called with what is written, before it is
    validated: again, where that is not valid and is written in another way.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.last = 0.0  # of the stage that ended last
        self.now = ""
        self.detail = ""
        self.started = time.perf_counter()
        self.compiled: Callable[[], tuple[int, int, int]] | None = None
        self.listeners: list[Listener] = [listener] if listener else []
        self.output: Callable[[Rope], object] | None = None

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[None]:
        """Times what is done inside."""
        self.now, self.detail = name, detail
        self._tell(Event("begins", name, detail=detail))
        began = time.perf_counter()
        try:
            yield
        finally:
            self.last = time.perf_counter() - began
            name = self.now  # what is done inside may have called it more exactly
            self.seconds[name] = self.seconds.get(name, 0.0) + self.last
            self._tell(Event("ended", name, self.last, self.detail))

    def wrote(self, output: Rope) -> None:
        """An output is written; it may not be valid."""
        if self.output:
            self.output(output)

    def note(self, said: str) -> None:
        """What was found out or decided, for those who want to know."""
        self._tell(Event("note", said))

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def doing(self) -> str:
        """What is done now, in words."""
        said = WORDS.get(self.now, self.now)
        return f"{said}: {self.detail}" if self.detail else said
