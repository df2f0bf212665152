"""Digests of what is in memory.

CRC-32 for files of our own that may be damaged: in a quarter of the time of a digest, it shows each bit that has
changed, and all but one in four thousand million of other changes. SHA-256 for what others see:
https://csrc.nist.gov/pubs/fips/180-4/upd1/final . BLAKE2b for what only we compare, with what we kept: without
instructions of the processor for SHA, it is twice as fast. https://www.rfc-editor.org/info/rfc7693
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from .mapped import in_turn

if TYPE_CHECKING:
    import hashlib

_BUILT_IN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

#: Bytes up to which Python's own is as good: `hashlib` loads a library for all of cryptography, which takes 3 ms.
_SHORT = 1 << 18

#: Bytes of a piece that is large, and may be mapped.
_LONG = 1 << 20

#: Bytes of a fingerprint, and of a checksum.
FINGERPRINT = 32
CHECKSUM = 4


def sha256(*pieces: bytes | memoryview) -> bytes:
    """The SHA-256 of the pieces, one after the other: 32 bytes."""
    return _digest(_new_sha256(sum(map(len, pieces))), pieces)


def fingerprint(*pieces: bytes | memoryview) -> bytes:
    """The BLAKE2b of the pieces, one after the other, of `FINGERPRINT` bytes: nobody finds others that have it."""
    return fingerprint_of(pieces)


def fingerprint_of(pieces: Iterable[bytes | memoryview]) -> bytes:
    """The same of pieces that are made one after the other."""
    try:
        return _digest(import_module("_blake2").blake2b(digest_size=FINGERPRINT), pieces)
    except ImportError:  # Python was built without
        import hashlib

        return _digest(hashlib.blake2b(digest_size=FINGERPRINT), pieces)


def checksum(*pieces: bytes | memoryview) -> bytes:
    """The CRC-32 of the pieces, one after the other, in `CHECKSUM` bytes: https://www.rfc-editor.org/info/rfc1952"""
    from binascii import crc32

    found = 0
    for piece in pieces:
        found = crc32(piece, found)
    return found.to_bytes(CHECKSUM, "little")


def _digest(digest: hashlib._Hash | hashlib.blake2b, pieces: Iterable[bytes | memoryview]) -> bytes:
    for piece in pieces:
        if len(piece) < _LONG:  # there may be thousands
            digest.update(piece)
        else:
            for part in in_turn(piece):
                digest.update(part)
    return digest.digest()


def _new_sha256(size: int) -> hashlib._Hash:
    """What digests so many bytes."""
    if size <= _SHORT and "hashlib" not in sys.modules:
        try:
            found: hashlib._Hash = import_module(_BUILT_IN).sha256()
            return found
        except ImportError:  # Python was built without
            pass
    import hashlib

    return hashlib.sha256()
