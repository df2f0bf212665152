"""The guest's memory as WASI functions use it: every access is checked against its size."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .abi import Errno, WasiError

#: An iovec: pointer and length, 32 bits each.
_IOVEC = struct.Struct("<II")


class GuestMemory:
    """Reads and writes through `view`, which gives the memory as it is now: it may have grown since."""

    def __init__(self, view: Callable[[], memoryview]) -> None:
        self._view = view

    def span(self, address: int, size: int) -> memoryview:
        """The bytes `address:address+size`; errno FAULT when they are not all inside the memory."""
        memory = self._view()
        if address + size > len(memory):
            raise WasiError(Errno.FAULT)
        return memory[address : address + size]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.span(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.span(address, len(data))[:] = data

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def write_u64(self, address: int, value: int) -> None:
        self.write(address, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))

    def vectors(self, address: int, count: int) -> list[memoryview]:
        """The buffers that an array of `count` iovecs at `address` names, in order."""
        array = self.span(address, count * _IOVEC.size)
        return [self.span(start, size) for start, size in _IOVEC.iter_unpack(array)]

    def path(self, address: int, size: int) -> str:
        """A path; ILSEQ if it is not UTF-8, INVAL if it has a NUL."""
        try:
            text = self.read(address, size).decode("utf-8")
        except UnicodeDecodeError:
            raise WasiError(Errno.ILSEQ) from None
        if "\0" in text:
            raise WasiError(Errno.INVAL)
        return text
