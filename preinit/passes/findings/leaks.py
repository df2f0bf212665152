"""Values of the builder's environment that ended up in the output, where everybody who gets it can read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ...binary.module import Module
from ...errors import printable
from ...options import Host
from ...result import BuildWarning, LateFacts
from ..rewrite import Run, Runs
from ..snapshot import Snapshot

#: Values with fewer bytes are found in any memory, by chance.
SHORTEST = 8

#: Whether instances have what was to be theirs, by what became of that.
_OWN: dict[str | None, str] = {"bound": "have", "unbound": "were to have"}

#: Bytes that are searched at once.
_CHUNK = 1 << 20

_NO_SECRET = "Give the build no secret. Where the text is none, accept it: `--accept late-remains`."

#: Where a text of the builder stands: the memory, and the offset in it.
Place = tuple[int, int]


def leaks(
    module: Module,
    host: Host,
    snapshot: Snapshot,
    runs: Runs,
    late: LateFacts | None = None,
    read: Collection[str] = (),
) -> tuple[BuildWarning, ...]:
    """A warning of environment variables whose values stand verbatim in memory that the output holds, and one for each
    of environment and arguments that instances bring themselves, with what of the build's is still there.

    `runs`: those parts. What the input holds already is no secret, and neither is an argument that is the path of a
    file which the guest `read`, as a script is. None of them has the values.
    """
    values = _values(host)
    found = _standing({n: (v,) for n, v in values.items() if n not in host.public_env}, module, snapshot, runs)
    return (*_leaked(found), *(_remains(module, host, snapshot, runs, late, read, found) if late else ()))


def _values(host: Host) -> dict[str, bytes]:
    return {name: value.encode("utf-8", "surrogateescape") for name, value in host.env}


def _leaked(found: Mapping[str, Place]) -> Iterator[BuildWarning]:
    if found:
        many = "s" if len(found) > 1 else ""
        yield BuildWarning(
            "environment-value",
            f"the value{many} of the environment variable{many} {_named(found)} {'are' if many else 'is'} in the "
            f"output: {_places(found)}",
            "Run the initializer without such a variable. If its value is no secret, write it (`--env NAME=VALUE`), or "
            "name the variable in Host.public_env.",
        )


def _remains(
    module: Module,
    host: Host,
    snapshot: Snapshot,
    runs: Runs,
    late: LateFacts,
    read: Collection[str],
    told: Mapping[str, Place],
) -> Iterator[BuildWarning]:
    """What libc copied, and nothing leads to once an instance has its own: it is there to be read all the same.

    Looked for are `NAME=VALUE` and an argument, each with the NUL behind it, and a value alone. Who wanted to bind one
    of them and could not has not given it to be in the output, either.
    """
    if late.environment in _OWN:
        values = {name: value for name, value in _values(host).items() if name not in told}
        texts = {n: (n.encode("utf-8", "surrogateescape") + b"=" + v + b"\0", v) for n, v in values.items()}
        found = _standing(texts, module, snapshot, runs, whole=True)
        if found:
            many = "s" if len(found) > 1 else ""
            yield BuildWarning(
                "late-remains",
                f"instances {_OWN[late.environment]} an environment of their own, and the text{many} of the build's "
                f"variable{many} {_named(found)} can still be read in the output: {_places(found)}",
                _NO_SECRET,
            )
    if late.arguments in _OWN:
        arguments = {str(number): text for number, text in enumerate(host.args, 1) if text not in read}
        encoded = {number: (text.encode("utf-8", "surrogateescape") + b"\0",) for number, text in arguments.items()}
        found = _standing(encoded, module, snapshot, runs)
        if found:
            many = "s" if len(found) > 1 else ""
            yield BuildWarning(
                "late-remains",
                f"instances {_OWN[late.arguments]} arguments of their own, and the text{many} of the build's "
                f"argument{many} number {_named(found)} can still be read in the output: {_places(found)}",
                _NO_SECRET,
            )


def _named(found: Mapping[str, Place]) -> str:
    """All of them: any can be the one that matters."""
    return ", ".join(map(printable, found))


def _places(found: Mapping[str, Place]) -> str:
    return "; ".join(f"memory {memory}, offset {place:#x}" for memory, place in found.values())


def _standing(
    wanted: Mapping[str, Sequence[bytes]], module: Module, snapshot: Snapshot, runs: Runs, whole: bool = False
) -> dict[str, Place]:
    """Where one of the texts of each name stands, in the order in which they are found; none that is too short, or that
    the input holds. `whole`: the first text of each is not too short, whatever it has: it says whose it is."""
    left = {
        name: kept
        for name, texts in wanted.items()
        if (kept := [t for t in dict.fromkeys(texts) if len(t) >= SHORTEST or (whole and t is texts[0])])
    }
    places: dict[str, Place] = {}
    for run in runs:
        if not left:
            break
        overlap = max((len(text) for texts in left.values() for text in texts), default=1) - 1
        for start, part in _chunks(snapshot.memories[run.memory].content, run, overlap):
            for name, texts in list(left.items()):
                for text in list(texts):
                    place = part.find(text)
                    if place < 0:
                        continue
                    if text in module.data:
                        texts.remove(text)
                        continue
                    places[name] = (run.memory, start + place)
                    texts.clear()
                    break
                if not texts:
                    del left[name]
    return places


def _chunks(content: memoryview, run: Run, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Parts of a run, each with the beginning of what follows: a text may go on in the next run, and a NUL behind it is
    in none."""
    for start in range(run.start, run.end, _CHUNK):
        yield start, content[start : min(start + _CHUNK, run.end) + overlap].tobytes()
