"""What a worker does: it keeps what it compiled for the next job."""

from __future__ import annotations

import atexit
import hashlib
import pickle
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PreinitError, WorkerVersion
from ..files.outputs import to_stderr
from ..options import Options
from ..options.fields import changed_for_build
from ..passes.builder import Prepared
from ..passes.observer import Observer
from ..tuples import NamedTuple
from ..version import VERSION
from .folders import Entry, unpack

if TYPE_CHECKING:
    from ..result import Result

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


class Request(NamedTuple):
    """A job: `changes` as `Builder.build` takes them; what to call to verify the output, None not to; whether the
    report of the build is wanted."""

    changes: Mapping[str, Any]
    verify: Mapping[str, Any] | None = None
    report: bool = False


class Outcome(NamedTuple):
    """What became of a job: the output and codes of its warnings, or an error as `describe` gives it.

    `report`: of the build, as JSON, if it was wanted.
    """

    wasm: bytes
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
    report: bytes = b""


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
    """Does a job: `pickled` is its `Request`. `folders`: what numbers in its `dirs` stand for."""
    try:
        if order.preinit != identity():
            raise WorkerVersion(f"a worker has preinit {identity()}, and {order.preinit} is needed")
        request: Request = pickle.loads(pickled)
        changes: dict[str, Any] = {**request.changes, "stdout": to_stderr, "stderr": to_stderr}
        if "dirs" in changes:
            changes["dirs"] = [_placed(host, guest, folders) for host, guest in changes["dirs"]]
        prepared = _prepared(order)
        options = changed_for_build(
            prepared.options, {**changes, "measure_gzip": request.report, "digest_modules": request.report}
        )
        result = prepared.build(options, Observer())
        if request.verify is not None:
            from ..verification import Calls, verify_calls

            verify_calls(order.wasm, result.wasm, options, Calls.of_settings(request.verify))
        warnings = tuple(warning.code for warning in result.report.warnings)
        return Outcome(result.wasm, warnings, report=_report(result) if request.report else b"")
    except Exception as problem:
        return Outcome(b"", error=describe(problem))


def _report(result: Result) -> bytes:
    from ..report.json import dumps

    return dumps(result.report).encode()


_lock = threading.Lock()
_all_prepared: OrderedDict[str, Prepared] = OrderedDict()
_folders: dict[str, Path] = {}


def _prepared(order: Order) -> Prepared:
    with _lock:
        found = _all_prepared.get(order.key)
        if found is None:
            found = _all_prepared[order.key] = Prepared(order.wasm, order.options)
            while len(_all_prepared) > _MOST_BUILDERS:
                _all_prepared.popitem(last=False)[1].close()
        _all_prepared.move_to_end(order.key)
        return found


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
