"""The files that a guest read while it initialized."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..result import FileFacts
    from .wasi1.files import Descriptor

#: A longer file is listed without its SHA-256: of a huge one, a guest may have read a few bytes.
LONGEST_HASHED = 256 << 20
_CHUNK = 1 << 18
#: Bytes of a file from which on a thread digests it: it takes 1 ms for each MB.
_WORTH_A_THREAD = 4 << 20


class FilesRead:
    """The files of which something was read: the first content under each path of the guest.

    `meanwhile`: a large file may be digested while the guest goes on; it must not be able to change files then.
    `digests`: whether they are digested at all.
    """

    def __init__(self, meanwhile: bool = True) -> None:
        self._files: dict[bytes, _File] = {}
        self._meanwhile = meanwhile
        self.digests = True
        self._working: threading.Thread | None = None

    def note(self, entry: Descriptor) -> None:
        """To be called for each descriptor before it is closed, and for those that are open at the end."""
        if not entry.was_read or entry.guest_path in self._files:
            return
        with suppress(OSError):
            file = self._files[entry.guest_path] = _File(os.fstat(entry.host_fd).st_size)
            if file.size > LONGEST_HASHED or not self.digests:
                return
            busy = self._working is not None and self._working.is_alive()
            if not self._meanwhile or busy or file.size < _WORTH_A_THREAD:
                file.digest(entry.host_fd)
                return
            host_fd = os.dup(entry.host_fd)
            self._working = threading.Thread(target=file.digest_and_close, args=(host_fd,), daemon=True)
            self._working.start()

    def facts(self) -> tuple[FileFacts, ...]:
        """All of them, by path."""
        from ..result import FileFacts

        if self._working is not None:
            self._working.join()
        return tuple(FileFacts(shown_path(path), file.size, file.sha256) for path, file in sorted(self._files.items()))


class _File:
    def __init__(self, size: int) -> None:
        self.size = size
        self.sha256: str | None = None

    def digest(self, host_fd: int) -> None:
        import hashlib

        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK))  # a new one for each part would take longer than the digest
        at = 0
        while size := os.preadv(host_fd, [buffer], at):
            digest.update(buffer[:size])
            at += size
        self.sha256 = digest.hexdigest()

    def digest_and_close(self, host_fd: int) -> None:
        try:
            with suppress(OSError):
                self.digest(host_fd)
        finally:
            os.close(host_fd)


def shown_path(guest_path: bytes) -> str:
    return guest_path.decode("utf-8", "surrogateescape") or "/"
