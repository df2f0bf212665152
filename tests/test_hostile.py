"""Hostile and broken guests: each ends with a clear error within limits, or is built; the output stays untouched."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest
from command import PATIENCE
from forking import Forks
from hostile import BUILT, Hostile
from hostile_broken import BROKEN
from hostile_guests import ENDLESS, GREEDY
from hostile_shapes import LARGE, TEXTS, WRONG

from preinit.binary.module import parse

GUESTS = {**BROKEN, **ENDLESS, **GREEDY, **WRONG, **LARGE, **TEXTS}
CASES = [(name, engine) for name, guest in GUESTS.items() for engine in guest.engines]

#: What is said of a guest, by name and engine.
Checked = Mapping[tuple[str, str], Future[str]]

BEFORE = b"what was there before"
#: Bytes of what a command says that are kept.
KEPT = 4 << 20

#: What a terminal obeys, apart from the ends of lines.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Said:
    """Reads a stream that may never end, and keeps its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.end = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for part in self._parts():
            self.end = (self.end + part)[-KEPT:]

    def _parts(self) -> Iterator[bytes]:
        while part := os.read(self._stream.fileno(), 1 << 16):
            yield part

    def text(self) -> str:
        self._thread.join(PATIENCE)
        return self.end.decode("utf-8", "replace")


_forks = threading.local()
_opened: list[Forks] = []


def forks() -> Forks:
    """The process that forks for this thread."""
    if not hasattr(_forks, "own"):
        _forks.own = Forks()
        _opened.append(_forks.own)
    own: Forks = _forks.own
    return own


@pytest.fixture(scope="session", autouse=True)
def _closing() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def run(guest: Hostile, engine: str, folder: Path, *arguments: str) -> tuple[int, str, int]:
    """Exit code, what was said last, and bytes of memory at most."""
    made = guest.make()
    source, out = folder / "guest", folder / "out.wasm"
    source.write_bytes(made if isinstance(made, bytes) else made.encode())
    out.write_bytes(BEFORE)
    command = ["build", str(source), "-o", str(out), "--engine", engine, *guest.arguments, *arguments]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        process = forks().start(command, writing)
        os.close(writing)
        killer = threading.Timer(PATIENCE, os.kill, (process, signal.SIGKILL))
        killer.start()
        said = Said(stream)
        code, memory = forks().wait()
        killer.cancel()
        return code, said.text(), memory


def check(guest: Hostile, engine: str, folder: Path, *arguments: str) -> str:
    """What was said; all that holds for every guest is checked."""
    code, said, memory = run(guest, engine, folder, *arguments)
    written = (folder / "out.wasm").read_bytes()
    assert "Traceback" not in said, said
    assert "bug in preinit" not in said, said
    assert "panicked" not in said, said
    assert sorted(path.name for path in folder.iterdir() if path.name != "folder") == ["guest", "out.wasm"]
    if code == 0:
        assert BUILT in guest.codes, said
        assert parse(written).data == written
    else:
        assert code in (1, 2), (code, said)
        assert written == BEFORE
        found = re.findall(r"error\[([a-z-]+)\]: ", said)
        assert found, said
        assert found[-1] in guest.codes, said
    assert guest.says in said
    assert memory <= guest.memory, f"{memory >> 20} MiB"
    return said


@pytest.fixture(scope="session")
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    """What is said of each guest that is to be tested: they are built beside each other, on all cores."""

    def start(name: str, engine: str) -> str:
        folder = tmp_path_factory.mktemp("guest")
        try:
            return check(GUESTS[name], engine, folder)
        finally:
            shutil.rmtree(folder)

    wanted = {item.callspec.id: item.callspec.params for item in request.session.items if _is_a_guest(item)}  # type: ignore[attr-defined]
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    yield {(p["name"], p["engine"]): pool.submit(start, p["name"], p["engine"]) for p in wanted.values()}
    pool.shutdown(cancel_futures=True)


def _is_a_guest(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_a_hostile_guest_ends_within_limits.__name__


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing tells here how much memory a process took")
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_hostile_guest_ends_within_limits(name: str, engine: str, checked: Checked) -> None:
    said = checked[name, engine].result()
    assert not STEERING.search(said), said


def test_there_are_at_least_forty_of_them() -> None:
    assert len(GUESTS) >= 40
