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
    """A warning of environment variables whose values stand verbatim in memory that the output holds.

    `runs`: those parts. What the input holds already is no secret. It does not have the values.
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
    found = {name: place for name, place in places.items() if values[name] not in module.data}
    if not found:
        return ()
    many = "s" if len(found) > 1 else ""
    places_in_order = "; ".join(f"memory {memory}, offset {place:#x}" for memory, place in found.values())
    return (
        BuildWarning(
            "environment-value",
            f"the value{many} of the environment variable{many} {', '.join(found)} {'are' if many else 'is'} in the "
            f"output: {places_in_order}",
            "Run the initializer without such a variable. If its value is no secret, write it (`--env NAME=VALUE`), or "
            "name the variable in Host.public_env.",
        ),
    )


def _chunks(content: memoryview, run: Run, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Parts of a run, each with the beginning of the next one."""
    for start in range(run.start, run.end, _CHUNK):
        yield start, content[start : min(start + _CHUNK + overlap, run.end)].tobytes()
