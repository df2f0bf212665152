"""Entries of the cache whose checksum is right, whatever else they hold."""

from __future__ import annotations

from binascii import crc32

PROFILE, MODULE = b"preinit profile 8\n", b"preinit module 3\n"
#: Where what is checked begins.
PROFILE_START, MODULE_START = len(PROFILE) + 4, len(MODULE) + 4


def sealed(magic: bytes, name: str, content: bytes) -> bytes:
    """The entry of that name with that content."""
    return magic + crc32(name.encode() + content).to_bytes(4, "little") + content
