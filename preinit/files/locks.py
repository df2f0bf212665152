"""Locks on files, which the system lets go of when a process ends, however it ends."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(number: int) -> bool:
    """Locks an open file for as long as it is open here; False if another process has it, or if that can't be done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
