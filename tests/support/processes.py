"""Processes and what they come from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest


def children(pid: int) -> list[int]:
    if not Path("/proc/self/task").exists():
        pytest.skip("processes are read from /proc")
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread may have ended meanwhile
            found += map(int, task.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """A process's children, theirs, and so on."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked yet how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def throw(problem: BaseException) -> None:
    """For another process to call."""
    raise problem
