"""Guests that make WASI calls in their initializer, and what can be seen of that in the module that is built."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from preinit import Result
from preinit.host.wasi1.abi import MODULE, SIGNATURES, Errno
from preinit.options import Host
from tests.support.instances import Running
from tests.support.modules import build_text

_ERRNOS = 0x100
_ROOM = 0x1000
PAGE = 1 << 16

#: `whence` of fd_seek; what path_open is asked for.
SET, CURRENT, END = 0, 1, 2
FOLLOW, NO_FOLLOW = 1, 0
READ, WRITE = 1 << 1, 1 << 6


@dataclass(frozen=True)
class Seen:
    """What a guest left: the errno of each call, by number, and its memory."""

    result: Result
    errnos: tuple[Errno, ...]
    memory: bytes

    def u32(self, address: int) -> int:
        return struct.unpack_from("<I", self.memory, address)[0]

    def u64(self, address: int) -> int:
        return struct.unpack_from("<Q", self.memory, address)[0]

    def bytes(self, address: int, size: int) -> bytes:
        return self.memory[address : address + size]


class Guest:
    """Calls are made in the order in which they were added; descriptors are given out from 3 on."""

    def __init__(self, pages: int = 1) -> None:
        self._pages = pages
        self._free = _ROOM
        self._data: list[str] = []
        self._calls: list[str] = []
        self._used: list[str] = []

    # -- memory

    def room(self, size: int) -> int:
        """The address of `size` zero bytes, aligned to 8."""
        address = self._free
        self._free += -(-size // 8) * 8
        assert self._free <= self._pages * PAGE
        return address

    def put(self, content: bytes) -> int:
        """The address of `content`."""
        address = self.room(len(content))
        escaped = "".join(f"\\{byte:02x}" for byte in content)
        self._data.append(f'(data (i32.const {address}) "{escaped}")')
        return address

    def text(self, path: str | bytes) -> tuple[int, int]:
        """Address and size of a path."""
        encoded = path.encode() if isinstance(path, str) else path
        return self.put(encoded), len(encoded)

    def vectors(self, *spans: tuple[int, int]) -> tuple[int, int]:
        """Address and number of iovecs, each given as (address, size)."""
        return self.put(b"".join(struct.pack("<II", *span) for span in spans)), len(spans)

    # -- calls

    def call(self, name: str, *arguments: int) -> int:
        """Adds a call; its number, counted from 0."""
        if name not in self._used:
            self._used.append(name)
        number = len(self._calls)
        types = SIGNATURES[name]
        pushed = "".join(f" ({t}.const {value})" for t, value in zip(types, arguments, strict=True))
        self._calls.append(f"(i32.store (i32.const {_ERRNOS + 4 * number}) (call ${name}{pushed}))")
        return number

    def open(self, path: str | bytes, *, fd: int = 3, flags: int = FOLLOW, how: int = 0, rights: int = READ) -> int:
        return self.call("path_open", fd, flags, *self.text(path), how, rights, 0, 0, self.room(4))

    def read(self, fd: int, size: int) -> tuple[int, int]:
        """Reads; the addresses of what was read and of how much it was."""
        data, count = self.room(size), self.room(4)
        self.call("fd_read", fd, *self.vectors((data, size)), count)
        return data, count

    def write(self, fd: int, content: bytes) -> int:
        return self.call("fd_write", fd, *self.vectors((self.put(content), len(content))), self.room(4))

    # -- running

    def wat(self) -> str:
        imports = "\n".join(
            f'(import "{MODULE}" "{name}" (func ${name} (param {" ".join(SIGNATURES[name])}) (result i32)))'
            for name in self._used
        )
        return (
            f'(module {imports} (memory (export "memory") {self._pages})\n'
            + "\n".join(self._data)
            + '\n(func (export "wizer-initialize")\n'
            + "\n".join(self._calls)
            + "))"
        )

    def build(self, host: Host | None = None, **options: object) -> Result:
        return build_text(self.wat(), host=host or Host(), **options)

    def run(self, host: Host | None = None, **options: object) -> Seen:
        """Builds, and looks into an instance of the output."""
        result = self.build(host, **options)
        memory = Running(result.wasm).state().memories[0]
        numbers = struct.unpack_from(f"<{len(self._calls)}I", memory, _ERRNOS)
        return Seen(result, tuple(map(Errno, numbers)), memory)


def random_stream(seed: int, size: int) -> bytes:
    """The first random bytes that a guest is promised."""
    blocks = (
        hashlib.sha256(b"preinit random 1" + struct.pack("<QQ", seed & (1 << 64) - 1, i)).digest()
        for i in range(size // 32 + 1)
    )
    return b"".join(blocks)[:size]


# -- folders

needs_folders = pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="folders can't be given to guests here")


def make_folder(parent: Path) -> Path:
    """A folder with some files, next to one that the guest may not see."""
    (parent / "secret").mkdir()
    (parent / "secret" / "key").write_text("secret")
    inside = parent / "inside"
    (inside / "sub" / "deep").mkdir(parents=True)
    (inside / "hello.txt").write_text("Hello, world")
    (inside / "sub" / "data").write_bytes(bytes(range(256)))
    return inside


def given(folder: Path, guest: str = "/") -> Host:
    """A host with one folder: descriptor 3."""
    return Host(dirs=((str(folder), guest),))


def opened(folder: Path, path: str | bytes, **how: int) -> Errno:
    """The errno of path_open."""
    guest = Guest()
    guest.open(path, **how)
    return guest.run(given(folder)).errnos[0]


def held(folder: Path) -> list[str]:
    """What this process has open below the folder's parent."""
    links = Path("/proc/self/fd")
    if not links.is_dir():
        pytest.skip("this system does not tell which files are open")
    targets = []
    for link in links.iterdir():
        try:
            targets.append(str(link.readlink()))
        except FileNotFoundError:  # the descriptor that lists them
            continue
    return [target for target in targets if target.startswith(str(folder.parent))]
