"""SHA-256 of what is in memory: https://csrc.nist.gov/pubs/fips/180-4/upd1/final ."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

_BUILT_IN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

#: Bytes up to which Python's own is as good: `hashlib` loads a library for all of cryptography, which takes 3 ms.
_SHORT = 1 << 14


def sha256(*pieces: bytes | memoryview) -> bytes:
    """The digest of all of them, one after the other: 32 bytes."""
    digest = _new(sum(map(len, pieces)))
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _new(size: int) -> hashlib._Hash:
    """What digests so many bytes."""
    if size <= _SHORT and "hashlib" not in sys.modules:
        try:
            found: hashlib._Hash = import_module(_BUILT_IN).sha256()
            return found
        except ImportError:  # Python was built without
            pass
    import hashlib

    return hashlib.sha256()
