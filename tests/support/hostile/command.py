"""Building a hostile guest with the command, and what holds whatever it does."""

from __future__ import annotations

import atexit
import os
import re
import signal
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

from preinit.binary.module import parse
from tests.support import everything
from tests.support.forks import Forks
from tests.support.hostile.modules import BUILT, Hostile
from tests.support.waiting import PATIENCE

BEFORE = b"what was there before"


#: Bytes of what a command says that are kept.
KEPT = 4 << 20


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


@cache
def forks() -> Forks:
    """The process that forks for all guests, with all that a build imports: the guests are what is looked at."""
    own = Forks(*everything.modules())
    atexit.register(own.close)
    return own


#: Most guests export nothing but what is run.
UNUSABLE = ("--accept", "nothing-exported")


def run(guest: Hostile, engine: str, folder: Path, *arguments: str) -> tuple[int, str, int]:
    """Exit code, what was said last, and bytes of memory at most."""
    made = guest.make()
    source, out = folder / "guest", folder / "out.wasm"
    source.write_bytes(made if isinstance(made, bytes) else made.encode())
    out.write_bytes(BEFORE)
    command = ["build", str(source), "-o", str(out), "--engine", engine, *UNUSABLE, *guest.arguments, *arguments]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        nothing = os.open(os.devnull, os.O_RDWR)
        given = {**os.environ, "PREINIT_CACHE_DIR": os.devnull, "NO_COLOR": "1"}
        process = forks().start(command, (nothing, nothing, writing), folder, given)
        os.close(writing)
        os.close(nothing)
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
