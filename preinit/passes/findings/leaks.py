"""Values of the builder's environment that ended up in the output, where everybody who gets it can read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...binary.module import Module
from ...options import Host
from ...result import BuildWarning
from ..rewrite import Run
from ..snapshot import Snapshot

#: Values with fewer bytes are found in any memory, by chance.
SHORTEST = 8

#: Bytes that are searched at once.
_CHUNK = 1 << 20


def leaks(module: Module, host: Host, snapshot: Snapshot, runs: Sequence[Run]) -> tuple[BuildWarning, ...]:
    """A warning for each environment variable whose value stands verbatim in memory that the output holds.

    `runs`: those parts. What the input holds already is no secret. No warning has the value.
    """
    if not host.env:
        return ()
    values = {name: value.encode("utf-8", "surrogateescape") for name, value in host.env}
    wanted = {n: v for n, v in values.items() if len(v) >= SHORTEST and n not in host.public_env}
    places: dict[str, tuple[int, int]] = {}
    for run in runs:
        if not wanted:
            break
        overlap = max(map(len, wanted.values())) - 1
        for start, part in _chunks(snapshot.memories[run.memory].content, run, overlap):
            for name, value in list(wanted.items()):
                place = part.find(value)
                if place >= 0:
                    places[name] = (run.memory, start + place)
                    del wanted[name]
    return tuple(
        BuildWarning(
            "environment-value",
            f"the value of the environment variable {name} is in the output: memory {memory}, offset {place:#x}",
            "Run the initializer without that variable. If its value is no secret, write it (`--env NAME=VALUE`), or "
            "name the variable in Host.public_env.",
        )
        for name, (memory, place) in places.items()
        if values[name] not in module.data
    )


def _chunks(content: memoryview, run: Run, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Parts of a run, each with the beginning of the next one."""
    for start in range(run.start, run.end, _CHUNK):
        yield start, content[start : min(start + _CHUNK + overlap, run.end)].tobytes()
