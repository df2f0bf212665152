"""Random numbers: the same in every build, or the system's."""

from __future__ import annotations

import os

from ...binary.digest import sha256


class RandomStream:
    """SHA-256 in counter mode: block i is SHA-256("preinit random 1" || seed || i), both as 64-bit little-endian.

    The algorithm never changes within a major version.
    """

    def __init__(self, seed: int) -> None:
        self._prefix = b"preinit random 1" + (seed & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
        self._counter = 0
        self._rest = b""
        self.taken = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            parts.append(sha256(self._prefix + self._counter.to_bytes(8, "little")))
            self._counter += 1
            have += 32
        stream = b"".join(parts)
        self._rest = stream[size:]
        self.taken += size
        return stream[:size]


class HostEntropy:
    """The system's random numbers."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, size: int) -> bytes:
        """`size` bytes."""
        self.taken += size
        return os.urandom(size)
