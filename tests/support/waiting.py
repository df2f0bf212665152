"""Waiting for what takes as long as it takes: no test depends on how fast the machine is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

#: Seconds that anything may take before a test fails; nothing is measured.
PATIENCE = 120

#: Seconds that are tried in turn where a time limit has to come late enough.
LIMITS = (0.3, 1.0, 4.0, 15.0, 60.0)


def wait_for(condition: Callable[[], object]) -> None:
    """Returns as soon as the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "that never came true"
        time.sleep(0.02)


def wait_for_guests() -> None:
    """Returns as soon as no guest runs any more."""
    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "preinit-guest"])


def with_time_enough(check: Callable[[float], None]) -> None:
    """Passes if the check does for some number of seconds.

    For what is said when a time limit ends something late in a build: on a slow or busy machine a short limit ends the
    build before it gets there, and on a fast one nobody wants to wait for a long one.
    """
    for seconds in LIMITS[:-1]:
        try:
            check(seconds)
        except (Exception, pytest.fail.Exception):
            continue
        return
    check(LIMITS[-1])
