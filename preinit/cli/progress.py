"""A line on the terminal that says how far a long build is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..stopwatch import WORDS, Stopwatch

#: Seconds before the line is shown, and between its changes.
_PATIENCE = 1.0
_INTERVAL = 0.2


def line(watch: Stopwatch) -> str:
    """What is done now, what was compiled for it, how long it all took."""
    said = WORDS.get(watch.stage, watch.stage)
    if watch.compiled:
        functions, size, _ = watch.compiled()
        said += f"; {functions:,} functions, {size / 1e6:.1f} MB of code compiled"
    return f"{said}; {time.perf_counter() - watch.started:.0f} s"


@contextmanager
def shown(watch: Stopwatch, quiet: bool) -> Iterator[None]:
    """Shows the line while the work inside goes on, if standard error is a terminal."""
    stream = sys.stderr
    if quiet or stream is None or not stream.isatty():
        yield
        return
    done = threading.Event()

    def work() -> None:
        if done.wait(_PATIENCE):
            return
        with suppress(OSError, ValueError):
            while not done.wait(_INTERVAL):
                stream.write(f"\r\033[K{line(watch)}")
                stream.flush()
            stream.write("\r\033[K")
            stream.flush()

    thread = threading.Thread(target=work, name="preinit-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_PATIENCE)
