"""What was measured."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass
from typing import Any

#: Version of the JSON form.
BENCH_VERSION = 1


@dataclass(frozen=True)
class Times:
    """Seconds of each round, in order; at least one."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile."""
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return first, third

    def to_dict(self) -> dict[str, Any]:
        """Without the single rounds."""
        first, third = self.quartiles
        return {
            "median": self.median,
            "lowest": min(self.seconds),
            "quartiles": [first, third],
            "highest": max(self.seconds),
            "rounds": len(self.seconds),
        }


@dataclass(frozen=True)
class Sizes:
    """Bytes of a module: as it is, with gzip at level 6, with brotli at quality 9 (None where no module for it is)."""

    raw: int
    gzip: int
    brotli: int | None


@dataclass(frozen=True)
class MemoryPerCopy:
    """What one more live copy takes, in bytes: the mean over `copies` of them.

    `resident`: pages in memory; `proportional`: of pages that several copies share, each has its part.
    """

    copies: int
    resident: int
    proportional: int


@dataclass(frozen=True)
class Side:
    """One of the two modules.

    Parameters
    ----------
    functions: what is called after instantiation, in order; "start function" is the module's own.
    compile_seconds: to compile it, once, without a cache.
    start: from nothing to an instance in which those calls have returned.
    stop: to free an instance; None where the engine frees when it likes.
    copies_per_second: starting and freeing one copy after the other, of the compiled module, in one thread.
    memory: None where that can't be told.
    """

    size: Sizes
    functions: tuple[str, ...]
    compile_seconds: float
    start: Times
    stop: Times | None
    copies_per_second: float
    memory: MemoryPerCopy | None

    def to_dict(self) -> dict[str, Any]:
        facts = dataclasses.asdict(self)
        return {**facts, "start": self.start.to_dict(), "stop": self.stop and self.stop.to_dict()}


@dataclass(frozen=True)
class Bench:
    """A module and its pre-initialized output. `engine`: its name and version; `compiler`: which of its compilers."""

    engine: str
    compiler: str
    original: Side
    output: Side

    @property
    def ratio(self) -> float:
        """How many times faster the output starts."""
        return self.original.start.median / self.output.start.median

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; times in seconds, sizes in bytes."""
        return {
            "version": BENCH_VERSION,
            "engine": self.engine,
            "compiler": self.compiler,
            "ratio": self.ratio,
            "original": self.original.to_dict(),
            "output": self.output.to_dict(),
        }


@dataclass(frozen=True)
class Many:
    """Copies of one module.

    Parameters
    ----------
    name: "output", "original" or "empty".
    size: bytes of the module.
    per_second: fresh instances in a second, one after the other in one thread: started, not called, and freed.
    first_byte: seconds (median) from asking for a copy to the first byte that it prints; to the end of its calls where
        it prints nothing; None where nothing is called.
    memory: bytes that one more copy takes, before it is called; None where the operating system does not tell. Pages
        that all copies share count once for all of them.
    memory_called: the same after its calls.
    pooled: whether instances come from a pool.
    per_second_stock: the same as `per_second` in an engine as its package sets it up: without a pool, and with the data
        as the module has it. None for the original and the empty module, and for components.
    """

    name: str
    size: int
    per_second: float
    first_byte: float | None
    memory: int | None
    memory_called: int | None
    pooled: bool
    per_second_stock: float | None = None


@dataclass(frozen=True)
class ManyCopies:
    """A pre-initialized module, the same one without pre-initialization, and one of equal size that holds nothing."""

    copies: int
    output: Many
    original: Many
    empty: Many

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"version": BENCH_VERSION, **dataclasses.asdict(self)}
