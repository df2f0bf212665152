"""The command in processes of its own that need not start Python anew: each is a fork of one that is ready.

Run as a program, this is that process: for each message on its socket, it forks, becomes the command there, and answers.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

#: What the command imports from others.
LIBRARIES = ("click", "leb128", "wasmtime", "wasmtime._bindings", "json", "tomllib", "hashlib", "tempfile", "platform", "importlib.metadata")  # fmt: skip

_SIZE = 8


class Forks:
    """One process that forks, after it has imported these modules. For one thread; close it in the end."""

    def __init__(self, *modules: str) -> None:
        self.environment = dict(os.environ)
        self._ours, theirs = socket.socketpair()
        self._answers = self._ours.makefile("rb")  # by line: two may arrive at once
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *LIBRARIES, *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )

    def start(
        self,
        arguments: Sequence[str],
        streams: tuple[int, int, int],
        cwd: Path,
        environment: Mapping[str, str],
        program: str = "preinit",
    ) -> int:
        """Starts `python -m PROGRAM` with these descriptors as its standard streams; the number of its process."""
        message = json.dumps([program, list(arguments), str(cwd), dict(environment)]).encode()
        socket.send_fds(self._ours, [len(message).to_bytes(_SIZE, "little")], streams)
        self._ours.sendall(message)
        return int(json.loads(self._answers.readline()))

    def wait(self) -> tuple[int, int]:
        """Exit code of what was started last, negative for a signal; bytes of memory at most."""
        code, memory = json.loads(self._answers.readline())
        return code, memory

    def close(self) -> None:
        self._answers.close()
        self._ours.close()
        self._process.wait()


def _serve(ours: socket.socket) -> list[Any] | None:
    """Returns in each fork, with what that is to do, and in the end."""
    while True:
        size, streams, _, _ = socket.recv_fds(ours, _SIZE, 3)
        if not size:
            return None
        with ours.makefile("rb", buffering=0) as stream:
            message = b""
            while len(message) < int.from_bytes(size, "little"):
                message += stream.read(int.from_bytes(size, "little") - len(message))
        process = os.fork()
        if not process:
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
        for descriptor in streams:
            os.close(descriptor)
        if not process:
            ours.close()
            found: list[Any] = json.loads(message)
            return found
        ours.send(json.dumps(process).encode() + b"\n")
        _, status, used = os.wait4(process, 0)
        ours.send(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024]).encode() + b"\n")


def _become(program: str, arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Does what `python -m PROGRAM` does, in that folder and environment."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = cwd
    sys.argv = [program, *arguments]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old: Any = getattr(sys, name)  # of this process
        stream = open(  # noqa: SIM115
            number, old.mode, 1 if name == "stderr" else -1, old.encoding, old.errors, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if "." in program:
        sys.modules.pop(program, None)  # it has been imported, and is to be run
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        import_module(each)
    gc.freeze()  # what a fork looks through, it copies
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        order = _serve(connection)
    if order is not None:
        _become(*order)
