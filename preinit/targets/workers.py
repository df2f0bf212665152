"""Processes that build targets: none outlives the command."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import Any

from ..errors import Crashed, Interrupted, as_limit
from .worker import Job

#: The same modules as ours, whatever folder is the current one.
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from preinit.targets.worker import main; main()"

#: Signals by which the system ends a process for what its code did.
_FAULTS = {getattr(signal, name, None) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGABRT")}

#: Seconds that a process has to clean up after an interrupt.
_PATIENCE = 5.0


class Workers:
    """Starts processes, in any thread, and stops them all."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Condition()
        self._stopped = False
        #: Targets that were built.
        self.built = 0

    def run(self, job: Job) -> tuple[dict[str, Any], bytes]:
        """The outcome of a job (see worker.py), and what the guest printed. Raises `Crashed`, `Interrupted`."""
        with tempfile.TemporaryFile() as said:
            with self._lock:
                if self._stopped:
                    raise Interrupted("interrupted")
                # In a group of its own, so that Ctrl-C reaches it once, from us; its input ends when we do.
                try:
                    process = subprocess.Popen(
                        [sys.executable, "-c", _CODE, *sys.path],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=said,
                        process_group=0 if os.name == "posix" else None,
                    )
                except OSError as problem:
                    limit = as_limit(problem, "no process that builds it can be started", starts=True)
                    raise limit or problem from problem
                self._running.add(process)
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(pickle.dumps(job))
                process.stdin.flush()
            answer = process.stdout.read()
            code = process.wait()
            try:
                outcome = json.loads(answer)
            except ValueError:
                outcome = None
            with self._lock:
                self._running.discard(process)
                self.built += isinstance(outcome, dict) and "seconds" in outcome
                stopped = self._stopped
                self._lock.notify_all()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            said.seek(0)
            printed = said.read()
        if not isinstance(outcome, dict):
            if stopped:
                raise Interrupted("interrupted")
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            text = printed.decode(errors="replace").strip()[-2000:]
            crash = Crashed(f"the process that built it ended with {how}" + (f": {text}" if text else ""))
            crash.faulted = -code in _FAULTS
            raise crash
        return outcome, printed

    def stop(self) -> None:
        """Ends all processes; they remove what they have half written."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            with suppress(OSError, ValueError):
                process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        for process in running:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with self._lock:  # so that `built` has what was built before
            self._lock.wait_for(lambda: not self._running, _PATIENCE)
