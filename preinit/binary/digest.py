"""SHA-256 of what is in memory: https://csrc.nist.gov/pubs/fips/180-4/upd1/final ."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_BUILT_IN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

#: Bytes up to which Python's own is as good: `hashlib` loads a library for all of cryptography, which takes 3 ms.
_SHORT = 1 << 18


def sha256(*pieces: bytes | memoryview) -> bytes:
    """The digest of the pieces, one after the other: 32 bytes."""
    if "hashlib" not in sys.modules and sum(map(len, pieces)) <= _SHORT:
        try:
            found: Any = import_module(_BUILT_IN).sha256()
        except ImportError:  # Python was built without
            found = _of_hashlib()
    else:
        found = _of_hashlib()
    for piece in pieces:
        found.update(piece)
    return bytes(found.digest())


def _of_hashlib() -> Any:
    import hashlib

    return hashlib.sha256()
