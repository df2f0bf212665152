"""Messages between processes: bytes, behind how many they are."""

from __future__ import annotations

from typing import IO

_LENGTH = 8


def write_message(stream: IO[bytes], data: bytes) -> None:
    """Writes and flushes. Raises `OSError` where nobody reads."""
    stream.write(len(data).to_bytes(_LENGTH, "little"))
    stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes]) -> bytes | None:
    """The next message; None at the end of the stream, be it in the middle of one."""
    length = stream.read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    size = int.from_bytes(length, "little")
    data = stream.read(size)
    return data if len(data) == size else None
