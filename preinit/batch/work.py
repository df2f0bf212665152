"""What a worker does: it keeps what it compiled for the next job."""

from __future__ import annotations

import atexit
import hashlib
import pickle
import shutil
import tempfile
import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PreinitError, WorkerVersion
from ..options import Options
from ..passes.builder import Builder
from ..version import VERSION
from .folders import Entry, unpack

#: Builders that a worker keeps: one for each batch that it works for.
_MOST_BUILDERS = 2


class Order(NamedTuple):
    """What the jobs of a batch have in common. `preinit`: whose bytes are wanted, see `identity`."""

    preinit: str
    key: str
    wasm: bytes
    options: Options


class Travelling(NamedTuple):
    """A folder that travels: SHA-256 of what is in it, and that."""

    digest: str
    entries: list[Entry]


class Outcome(NamedTuple):
    """What became of a job: the output and codes of its warnings, or an error as `describe` gives it."""

    wasm: bytes
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None


@cache
def identity() -> str:
    """Which preinit this is: its version, and a digest of its code, in which two installations may differ."""
    package = Path(__file__).resolve().parent.parent
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{VERSION} ({total.hexdigest()[:12]})"


def describe(problem: BaseException) -> dict[str, Any]:
    """An error as plain values."""
    if not isinstance(problem, PreinitError):
        what = "there is not enough memory" if isinstance(problem, MemoryError) else f"unexpected: {problem!r}"
        problem = PreinitError(what)
    frames = [frame._asdict() for frame in problem.frames]
    told = (("code", problem.code), ("what", problem.what), ("where", problem.where), ("hint", problem.hint))
    return {**dict(told), "frames": frames}


def perform(order: Order, pickled: bytes, *folders: Travelling) -> Outcome:
    """Does a job: `pickled` changes, as `Builder.build` takes them. `folders`: what numbers in its `dirs` stand for."""
    try:
        if order.preinit != identity():
            raise WorkerVersion(f"a worker has preinit {identity()}, and {order.preinit} is needed")
        changes: dict[str, Any] = pickle.loads(pickled)
        if "dirs" in changes:
            changes = {**changes, "dirs": [_placed(host, guest, folders) for host, guest in changes["dirs"]]}
        result = _builder(order).build(**changes)
        return Outcome(result.wasm, tuple(warning.code for warning in result.report.warnings))
    except Exception as problem:
        return Outcome(b"", error=describe(problem))


_lock = threading.Lock()
_builders: OrderedDict[str, Builder] = OrderedDict()
_folders: dict[str, Path] = {}


def _builder(order: Order) -> Builder:
    with _lock:
        builder = _builders.get(order.key)
        if builder is None:
            builder = _builders[order.key] = Builder(order.wasm, order.options)
            while len(_builders) > _MOST_BUILDERS:
                _builders.popitem(last=False)[1].close()
        _builders.move_to_end(order.key)
        return builder


def _placed(host: str | int, guest: str, folders: tuple[Travelling, ...]) -> tuple[str, str]:
    """The folder on this machine: the one that is named, or the one with that number, made once."""
    if isinstance(host, str):
        return host, guest
    folder = folders[host]
    with _lock:
        if folder.digest not in _folders:
            place = Path(tempfile.mkdtemp(prefix="preinit-batch-"))
            atexit.register(shutil.rmtree, place, ignore_errors=True)
            unpack(folder.entries, place)
            _folders[folder.digest] = place
        return str(_folders[folder.digest]), guest


# -- a process of this machine -----------------------------------------------------------------------------------------

_own_order: Order | None = None


def begin(order: Order) -> None:
    """The first thing that a process does. It ends when the process that started it does, and not on Ctrl-C."""
    import multiprocessing
    import signal

    global _own_order
    _own_order = order
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it gets that, too, and ends it
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    import os
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)


def perform_here(pickled: bytes) -> Outcome:
    """Does a job for the order that this process was started with."""
    assert _own_order is not None
    return perform(_own_order, pickled)
