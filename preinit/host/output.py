"""Where what the guest prints goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..binary.digest import sha256
from ..errors import OutputFlood
from ..options import Host

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

#: What takes the guest's output where nobody else does.
LOGGER = "preinit.guest"

#: Bytes that an output prints again at most: its code has each of them twice.
MOST_REPLAYED = 256 << 10


class Head:
    """What was printed to one stream up to some point, as far as one needs to know it again: `size` and a digest."""

    def __init__(self) -> None:
        self.size = 0
        self._digest: Hash | None = None

    def add(self, data: bytes) -> None:
        """The stream goes on with `data`."""
        import hashlib  # not every guest prints

        self.size += len(data)
        self._digest = self._digest or hashlib.sha256()
        self._digest.update(data)

    def left_out_of(self, data: bytes) -> bytes:
        """What comes after it; all of `data`, where that begins otherwise."""
        before = self._digest.digest() if self._digest else sha256(b"")
        return data[self.size :] if sha256(data[: self.size]) == before else data


class Output:
    """Passes on what the guest prints, but for the first `shown` bytes. Raises `OutputFlood` after too many.

    `pauses`: the guest is to be paused, so somebody wants to know how what it printed begins. `replays`: an output
    prints that again, so it is kept, as far as an output can.
    """

    def __init__(self, host: Host, shown: int, pauses: bool = False, replays: bool = False) -> None:
        self._shown = shown
        self._most = host.max_guest_output
        self._lines = [Lines(), Lines()]
        given = (_drop, _drop) if host.quiet_guest else (host.stdout, host.stderr)
        self._sinks = [sink or lines for sink, lines in zip(given, self._lines, strict=True)]
        self.total = 0
        #: Of the streams 1 and 2, what was printed to them; None where nobody wants to know.
        self.heads = (Head(), Head()) if pauses else None
        #: What was printed, in order, and to which of the streams; at most one byte more than can be printed again.
        self.kept: list[tuple[int, bytearray]] = []
        self._room = MOST_REPLAYED + 1 if replays else 0

    def to_output(self, data: bytes) -> None:
        """What the guest writes to its standard output."""
        self._take(1, data)

    def to_error(self, data: bytes) -> None:
        """The same of its standard error."""
        self._take(2, data)

    def _take(self, stream: int, data: bytes) -> None:
        if self.total + len(data) > self._most:
            raise OutputFlood(f"the initializer printed more than {self._most:,} bytes")
        left_out = max(0, self._shown - self.total)
        self.total += len(data)
        if self.heads is not None:
            self.heads[stream - 1].add(data)
        if self._room and data:
            self._keep(stream, data[: self._room])
        if left_out < len(data):
            self._sinks[stream - 1](data[left_out:])

    def _keep(self, stream: int, data: bytes) -> None:
        self._room -= len(data)
        if not self.kept or self.kept[-1][0] != stream:
            self.kept.append((stream, bytearray()))
        self.kept[-1][1].extend(data)

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
