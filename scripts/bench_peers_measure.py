"""Runs a command and measures it: wall time, CPU time and peak memory of its whole process tree."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

#: Seconds between two looks at a tree's memory. Some commands end after a few milliseconds: at first we look often.
INTERVAL = 0.01
FIRST_INTERVAL = 0.001
FIRST_LOOKS = 100

#: Seconds that one command may take.
PATIENCE = 3600

_PROC = Path("/proc")


class Measurement(NamedTuple):
    """`wall` and `cpu` in seconds, `peak` in bytes; `complaint` is what a command that failed said, else ""."""

    wall: float
    cpu: float
    peak: int
    complaint: str


class MemoryWatch(threading.Thread):
    """Looks at a process and its descendants every `INTERVAL` seconds. Finds nothing where there is no /proc.

    `peak` is in bytes: the largest sum of resident memory over the processes alive at one look, or the largest
    resident memory that one process ever had, if that is more: the kernel also sees what happens between two looks.
    """

    def __init__(self, root: int, strangers: set[int]) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._tree = {root}
        self._strangers = strangers
        self._ended = threading.Event()

    def run(self) -> None:
        looks = 0
        while True:
            if looks >= FIRST_LOOKS or looks % 10 == 9:
                self._find()
            self._look()
            looks += 1
            if self._ended.wait(INTERVAL if looks > FIRST_LOOKS else FIRST_INTERVAL):
                return

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _find(self) -> None:
        for pid in sorted(processes() - self._tree - self._strangers):  # a parent comes before its children
            (self._tree if _parent(pid) in self._tree else self._strangers).add(pid)

    def _look(self) -> None:
        looks = [_resident(pid) for pid in self._tree]
        self.peak = max(self.peak, sum(now for now, _ in looks), *(most for _, most in looks))


def processes() -> set[int]:
    try:
        return {int(name) for name in os.listdir(_PROC) if name.isdigit()}  # only their names
    except OSError:
        return set()


def _parent(pid: int) -> int:
    try:
        # The name of the program, in parentheses, may hold anything.
        return int((_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _resident(pid: int) -> tuple[int, int]:
    """Bytes of memory that a process has now and the most that it had since it was started."""
    found = {"VmRSS": 0, "VmHWM": 0}
    try:
        for line in (_PROC / str(pid) / "status").read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) << 10
    except (OSError, IndexError, ValueError):
        pass  # it has ended
    return found["VmRSS"], found["VmHWM"]


def run(command: Sequence[str], env: Mapping[str, str], said: Path) -> Measurement:
    """Runs `command` in a session of its own; its standard error goes to the file `said`."""
    strangers = processes()
    with said.open("wb") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        watch = MemoryWatch(child.pid, strangers)
        watch.start()
        limit = threading.Timer(PATIENCE, os.killpg, (child.pid, signal.SIGKILL))
        limit.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)  # with the processes that the child has waited for
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.perf_counter() - start
            limit.cancel()
            watch.stop()
    child.returncode = os.waitstatus_to_exitcode(status)
    complaint = ""
    if child.returncode:
        late = f"took more than {PATIENCE} s" if wall >= PATIENCE else f"ended with {child.returncode}"
        complaint = _message(said) or late
    return Measurement(wall, usage.ru_utime + usage.ru_stime, max(watch.peak, _lower_bound(usage)), complaint)


def _lower_bound(usage: resource.struct_rusage) -> int:
    """The kernel's peak of the child, in bytes; 0 if it may be ours: until it calls exec, a child counts our memory."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit if usage.ru_maxrss > own else 0


def _message(said: Path) -> str:
    """The innermost cause if a list of causes was printed, else the first line."""
    lines = [line.strip() for line in said.read_text(encoding="utf-8", errors="replace").splitlines()]
    lines = [line for line in lines if line]
    if "Caused by:" in lines:
        causes = lines[lines.index("Caused by:") + 1 :]
        if "Stack backtrace:" in causes:
            causes = causes[: causes.index("Stack backtrace:")]
        numbered = [text for number, _, text in (line.partition(": ") for line in causes) if number.isdigit()]
        return (numbered or causes or lines)[-1]
    return lines[0].removeprefix("Error: ") if lines else ""
