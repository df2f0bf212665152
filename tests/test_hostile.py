"""Hostile and broken guests: each ends with a clear error within limits, or is built; the output stays untouched."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from command import COMMAND, PATIENCE
from hostile import BUILT, Hostile
from hostile_broken import BROKEN
from hostile_guests import ENDLESS, GREEDY
from hostile_shapes import LARGE, TEXTS, WRONG

from preinit.binary.module import parse

GUESTS = {**BROKEN, **ENDLESS, **GREEDY, **WRONG, **LARGE, **TEXTS}
CASES = [(name, engine) for name, guest in GUESTS.items() for engine in guest.engines]

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


def run(guest: Hostile, engine: str, folder: Path, *arguments: str) -> tuple[int, str, int]:
    """Exit code, what was said last, and bytes of memory at most."""
    made = guest.make()
    source, out = folder / "guest", folder / "out.wasm"
    source.write_bytes(made if isinstance(made, bytes) else made.encode())
    out.write_bytes(BEFORE)
    command = [*COMMAND, "build", str(source), "-o", str(out), "--engine", engine, *guest.arguments, *arguments]
    environment = {**os.environ, "PREINIT_CACHE_DIR": os.devnull, "NO_COLOR": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment)
    assert process.stderr
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    with process.stderr:
        said = Said(process.stderr)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        killer.cancel()
        return process.returncode, said.text(), used.ru_maxrss * 1024


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


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="nothing tells here how much memory a process took")
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_hostile_guest_ends_within_limits(name: str, engine: str, tmp_path: Path) -> None:
    said = check(GUESTS[name], engine, tmp_path)
    assert not STEERING.search(said), said


def test_there_are_at_least_forty_of_them() -> None:
    assert len(GUESTS) >= 40
