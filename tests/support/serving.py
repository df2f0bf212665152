"""`preinit serve` as users run it: a process, which ends with the test whatever happens."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.command import COMMAND
from tests.support.waiting import PATIENCE, wait_for


class Served:
    """A server that runs. `log` grows."""

    def __init__(self, process: subprocess.Popen[str], address: tuple[str, int], log: list[str]) -> None:
        self.process = process
        self.address = address
        self.log = log

    def ask(
        self, path: str = "/", method: str = "GET", body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of the answer to a request with a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)  # type: ignore[arg-type]
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def variables(self, path: str = "/env", headers: dict[str, str] | None = None) -> dict[str, str]:
        """The environment that the guest saw."""
        _, _, body = self.ask(path, headers=headers)
        return dict(line.split("=", 1) for line in body.decode().splitlines())

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes."""
        with socket.create_connection(self.address, timeout=PATIENCE) as connection:
            with suppress(OSError):  # the server may have refused it already, and closed the connection
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            parts = []
            try:
                while part := connection.recv(1 << 16):
                    parts.append(part)
            except ConnectionResetError:
                pass
            return b"".join(parts)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def logged(self, pattern: str, after: int = 0) -> bool:
        """Whether a line behind the first `after` ones matches, now or soon: lines are read by a thread."""
        wait_for(lambda: any(re.search(pattern, line) for line in self.log[after:]))
        return True


@contextmanager
def served(module: Path, *arguments: str, prepared: str = "") -> Iterator[Served]:
    """`prepared`: what Python does first, in the server's process."""
    command = [sys.executable, "-c", f"{prepared}; from preinit.cli import main; main()"] if prepared else COMMAND
    process = subprocess.Popen(
        [*command, "serve", str(module), "--port", "0", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )
    log: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line.rstrip("\n"))
            if line.startswith("serving "):
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(PATIENCE)
        found = re.search(r" at http://([^/]+):(\d+)/", "\n".join(log))
        assert found, log
        yield Served(process, (found[1].strip("[]"), int(found[2])), log)
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE)
