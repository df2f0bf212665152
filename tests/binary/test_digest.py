"""One digest, whoever computes it."""

from __future__ import annotations

import hashlib
import sys
import zlib

import pytest

from preinit.binary import digest

SIZES = (0, 1, 63, 64, 65, 1 << 14, (1 << 14) + 1, 1 << 20)


@pytest.mark.parametrize("module", ["_sha2" if sys.version_info >= (3, 12) else "_sha256", "no_such_module"])
@pytest.mark.parametrize("loaded", [True, False])
def test_the_digest_is_that_of_hashlib_whatever_is_there(
    module: str, loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "_BUILT_IN", module)
    for size in SIZES:
        if not loaded:
            monkeypatch.delitem(sys.modules, "hashlib", raising=False)
        data = bytes(n % 251 for n in range(size))
        assert digest.sha256(data) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("pieces", [(), (b"a",), (b"a", b"", memoryview(b"bc")), (bytes(range(256)) * 999, b"x")])
def test_a_digest_of_pieces_is_that_of_what_they_are_together(pieces: tuple[bytes | memoryview, ...]) -> None:
    whole = b"".join(pieces)
    assert digest.sha256(*pieces) == hashlib.sha256(whole).digest()
    assert digest.fingerprint(*pieces) == hashlib.blake2b(whole, digest_size=digest.FINGERPRINT).digest()
    assert digest.checksum(*pieces) == zlib.crc32(whole).to_bytes(digest.CHECKSUM, "little")


def test_a_fingerprint_needs_no_module_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest.fingerprint(b"a")
    monkeypatch.setitem(sys.modules, "_blake2", None)
    assert digest.fingerprint(b"a") == expected
