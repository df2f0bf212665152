"""Where what the guest prints goes."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import OutputFlood
from ..options import Host

#: What takes the guest's output where nobody else does.
LOGGER = "preinit.guest"


class Output:
    """Passes on what the guest prints, but for the first `shown` bytes. Raises `OutputFlood` after too many."""

    def __init__(self, host: Host, shown: int) -> None:
        self._shown = shown
        self._most = host.max_guest_output
        self._lines = [Lines(), Lines()]
        given = (_drop, _drop) if host.quiet_guest else (host.stdout, host.stderr)
        self._sinks = [sink or lines for sink, lines in zip(given, self._lines, strict=True)]
        self.total = 0
        #: What was printed, in order, and to which of the streams 1 and 2; None where nobody wants to know.
        self.kept: list[tuple[int, bytes]] | None = None

    def to_output(self, data: bytes) -> None:
        """What the guest writes to its standard output."""
        self._keep(1, data)
        self._pass_on(self._sinks[0], data)

    def to_error(self, data: bytes) -> None:
        """The same of its standard error."""
        self._keep(2, data)
        self._pass_on(self._sinks[1], data)

    def _keep(self, stream: int, data: bytes) -> None:
        if self.kept is not None and self.total + len(data) <= self._most:
            self.kept.append((stream, data))

    def _pass_on(self, sink: Callable[[bytes], object], data: bytes) -> None:
        if self.total + len(data) > self._most:
            raise OutputFlood(f"the initializer printed more than {self._most:,} bytes")
        left_out = max(0, self._shown - self.total)
        self.total += len(data)
        if left_out < len(data):
            sink(data[left_out:])

    def end(self) -> None:
        """Logs a line that the guest left open."""
        for lines in self._lines:
            lines.end()


class Lines:
    """Logs what it takes, line by line."""

    def __init__(self) -> None:
        self._open = bytearray()

    def __call__(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._open += first
        for line in others:
            _log(bytes(self._open))
            self._open = bytearray(line)

    def end(self) -> None:
        """Logs the last line, if it has no end."""
        if self._open:
            _log(bytes(self._open))
            self._open.clear()


def _log(line: bytes) -> None:
    import logging  # takes longer than all that a small module prints

    logging.getLogger(LOGGER).info("%s", line.removesuffix(b"\r").decode("utf-8", "replace"))


def _drop(_data: bytes) -> None:
    pass
