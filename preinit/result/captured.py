"""What is known of a capture in Node."""

from __future__ import annotations

from ..records import Value, value


@value
class StandInFacts(Value):
    """A function that an output has in the place of an export which its glue calls when it loads it.

    `why` the export is replaced, and how often JavaScript had `called` it. The first call makes `replayed` import calls
    again, and opens the files `reopened`. `dropped`, `unknown`: import calls that it does not make, by name; nobody
    knows whether that is right for the second ones.
    """

    export: str
    why: str
    called: int
    replayed: int
    reopened: tuple[str, ...]
    dropped: dict[str, int]
    unknown: dict[str, int]


@value
class LoadedDifference(Value):
    """Where an output that its glue has loaded holds something else than the snapshot: loading wrote there.

    `kind`, with what `index` counts: "memory" (`length` bytes differ between `offset` and `end`; `held` of them were
    not zero in the snapshot, so that something captured was written over), "memory size", "global", "table" (`length`
    entries differ from `offset` on), "table size".
    """

    kind: str
    index: int
    offset: int = 0
    end: int = 0
    length: int = 0
    held: int = 0


@value
class StartTimes(Value):
    """From the start of the script to its answer, on the clock, and what of that the engine took to compile."""

    seconds: float
    compile_seconds: float

    @property
    def rest(self) -> float:
        """Seconds without compiling."""
        return self.seconds - self.compile_seconds


@value
class CaptureFacts(Value):
    """A capture in Node, of that version, of what `script` (a file name) prepared.

    `answered`: whether the input and the output gave the same answer; None where the script exports no `answer`.
    `differences`: of the output after its glue has loaded it; None where that can't be looked at. `before`, `after`:
    starting the program and preparing it, and starting the output.
    """

    node: str
    script: str
    stand_ins: tuple[StandInFacts, ...]
    answered: bool | None
    differences: tuple[LoadedDifference, ...] | None
    before: StartTimes | None
    after: StartTimes | None
