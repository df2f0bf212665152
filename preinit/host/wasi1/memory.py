"""The guest's memory as WASI functions use it: every access is checked against its size."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .abi import Errno, WasiError

#: An iovec: pointer and length, 32 bits each.
_IOVEC = struct.Struct("<II")
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")

#: Buffers, and bytes in all, that one call reads or writes; the guest is told how much it was, as in POSIX.
MOST_VECTORS = 1024
LARGEST_TRANSFER = 64 << 20

#: Bytes of a path, as on Linux.
LONGEST_PATH = 4096


class GuestMemory:
    """Reads and writes through `view`, which gives the memory as it is now. It may be set anew.

    `current` is kept during a call, as asking the engine costs more than most calls; set it to None whenever the guest
    ran, for its memory may have grown.
    """

    def __init__(self, view: Callable[[], memoryview]) -> None:
        self.view = view
        self.current: memoryview | None = None

    def _now(self) -> memoryview:
        self.current = self.view()
        return self.current

    def span(self, address: int, size: int) -> memoryview:
        """The bytes `address:address+size`; errno FAULT when they are not all inside the memory."""
        memory = self.current or self._now()
        if address + size > len(memory):
            raise WasiError(Errno.FAULT)
        if not size:  # the view of an empty memory can't be written to
            return memoryview(bytearray())
        return memory[address : address + size]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.span(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.span(address, len(data))[:] = data

    def write_u32(self, address: int, value: int) -> None:
        try:
            _U32.pack_into(self.current or self._now(), address, value & 0xFFFFFFFF)
        except struct.error:
            raise WasiError(Errno.FAULT) from None

    def write_u64(self, address: int, value: int) -> None:
        try:
            _U64.pack_into(self.current or self._now(), address, value & 0xFFFFFFFFFFFFFFFF)
        except struct.error:
            raise WasiError(Errno.FAULT) from None

    def vectors(self, address: int, count: int) -> list[memoryview]:
        """The buffers that an array of `count` iovecs at `address` names, in order: as many as one call handles."""
        self.span(address, count * _IOVEC.size)
        spans = []
        room = LARGEST_TRANSFER
        for start, size in _IOVEC.iter_unpack(self.read(address, min(count, MOST_VECTORS) * _IOVEC.size)):
            span = self.span(start, size)[:room]
            spans.append(span)
            room -= len(span)
        return spans

    def path(self, address: int, size: int) -> bytes:
        """A path. Errno ILSEQ if it is not UTF-8, INVAL if it has a NUL, NAMETOOLONG."""
        span = self.span(address, size)
        if size > LONGEST_PATH:
            raise WasiError(Errno.NAMETOOLONG)
        path = bytes(span)
        try:
            path.decode("utf-8")
        except UnicodeDecodeError:
            raise WasiError(Errno.ILSEQ) from None
        if b"\0" in path:
            raise WasiError(Errno.INVAL)
        return path
