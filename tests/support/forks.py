"""The command in processes of its own that need not start Python anew: each is a fork of one that has imported all.

Run as a program, this is that process: for each message on its socket, it forks, runs the command there, and answers.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from tests.support.places import ROOT

_LONGEST = 1 << 16


class Forks:
    """One process that forks. For one thread; close it in the end."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._answers = self._ours.makefile("rb")  # by line: two may arrive at once
        environment = {**os.environ, "PREINIT_CACHE_DIR": os.devnull, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
            )

    def start(self, arguments: Sequence[str], stderr: int) -> int:
        """Starts the command with that descriptor as its standard error; returns the number of its process."""
        socket.send_fds(self._ours, [json.dumps(list(arguments)).encode()], [stderr])
        return int(json.loads(self._answers.readline()))

    def wait(self) -> tuple[int, int]:
        """Exit code of what was started last, negative for a signal; bytes of memory at most."""
        code, memory = json.loads(self._answers.readline())
        return code, memory

    def close(self) -> None:
        self._answers.close()
        self._ours.close()
        self._process.wait()


def _serve(number: int) -> None:
    from preinit import cli
    from preinit.cli import build  # noqa: F401
    from preinit.engine import whole  # noqa: F401
    from preinit.host import world  # noqa: F401
    from preinit.passes import capture, findings, rewrite, validate  # noqa: F401

    with socket.socket(fileno=number) as ours:
        while True:
            message, descriptors, _, _ = socket.recv_fds(ours, _LONGEST, 1)
            if not message:
                return
            process = os.fork()
            if not process:
                ours.close()
                os.dup2(descriptors[0], 2)
                os.close(descriptors[0])
                sys.argv = ["preinit", *json.loads(message)]
                cli.main()
                os._exit(0)
            os.close(descriptors[0])
            ours.send(json.dumps(process).encode() + b"\n")
            _, status, used = os.wait4(process, 0)
            ours.send(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024]).encode() + b"\n")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
