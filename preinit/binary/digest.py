"""SHA-256 of what is in memory: https://csrc.nist.gov/pubs/fips/180-4/upd1/final ."""

from __future__ import annotations

import sys
from importlib import import_module

_BUILT_IN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

#: Bytes up to which Python's own is as good: `hashlib` loads a library for all of cryptography, which takes 3 ms.
_SHORT = 1 << 14


def sha256(data: bytes) -> bytes:
    """The digest, 32 bytes."""
    if len(data) <= _SHORT and "hashlib" not in sys.modules:
        try:
            return bytes(import_module(_BUILT_IN).sha256(data).digest())
        except ImportError:  # Python was built without
            pass
    import hashlib

    return hashlib.sha256(data).digest()
