"""Modules that were compiled as a whole, kept for later processes.

Compiled code is run as it is (https://docs.wasmtime.dev/api/wasmtime/struct.Module.html#method.deserialize): one bit
that has changed makes a wrong output, or ends the process. So an entry has a digest of its name and its code, which is
compared before the engine sees it; and the code of an entry is marked while it runs, so that what ended a process is
not run a second time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..binary.digest import sha256
from ..files.cache import Kind, read_entry, remove_entry, write_entry
from ..files.marks import died, running
from ..version import VERSION
from . import ffi
from .room import check_room_to_compile
from .values import EngineError

#: The number is that of an entry's form.
_MAGIC = b"preinit module 1\n"
_START = len(_MAGIC) + 32

DAMAGED = "the code in the cache is damaged"
ENDED = "the code in the cache was running when an earlier process died"


class CodeCache:
    """Code of the cache, in a folder that is `files.cache.usable`.

    `distrusted`: why code that is there was not used, in words; empty where it was, or where there was none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.distrusted = ""
        self._used: set[str] = set()

    def compile(self, engine: ffi.Engine, wasm: bytes, settings: object) -> ffi.Module:
        """The module, from the cache or compiled, and kept then. `settings`: all that the engine was told.

        Raises `EngineError`.
        """
        facts = (VERSION, ffi.build(), repr(settings), sha256(wasm).hex())
        name = sha256("\n".join(facts).encode()).hex()
        code = self.read("modules", name)
        if code is not None and not _is_whole(name, code):
            self.distrust("modules", name, DAMAGED)
        elif code is not None:
            try:
                with running(self.folder, (name,)):
                    module = ffi.deserialize(engine, code, _START)
                self._used.add(name)
                return module
            except EngineError:
                pass  # of a machine with other instructions
        module = _compiled(engine, wasm)
        try:
            code = ffi.serialize(module)
        except EngineError:  # too little memory, perhaps
            return module
        write_entry(self.folder, "modules", name, _MAGIC, _digest(name, code, 0), code)
        return module

    def read(self, kind: Kind, name: str) -> bytes | None:
        """What an entry holds, unchecked; None if there is none, or if it must not be run."""
        if died(self.folder, name):
            self.distrust(kind, name, ENDED)
            return None
        return read_entry(self.folder, kind, name)

    def uses(self, name: str) -> None:
        """Says that code of an entry will be run."""
        self._used.add(name)

    def distrust(self, kind: Kind, name: str, why: str) -> None:
        """Forgets an entry."""
        remove_entry(self.folder, kind, name)
        self._used.discard(name)
        self.distrusted = why

    def running(self) -> AbstractContextManager[None]:
        """While code runs that came from the cache."""
        return running(self.folder, tuple(self._used))


def compile_module(engine: ffi.Engine, wasm: bytes, settings: object, cache: CodeCache | None) -> ffi.Module:
    """See `CodeCache.compile`; without a cache, it is compiled, that is all."""
    return cache.compile(engine, wasm, settings) if cache else _compiled(engine, wasm)


def _compiled(engine: ffi.Engine, wasm: bytes) -> ffi.Module:
    check_room_to_compile(wasm)
    return ffi.compile_module(engine, wasm)


def _digest(name: str, code: bytes, start: int) -> bytes:
    import hashlib

    found = hashlib.sha256(name.encode())
    found.update(memoryview(code)[start:])
    return found.digest()


def _is_whole(name: str, entry: bytes) -> bool:
    return entry.startswith(_MAGIC) and entry[len(_MAGIC) : _START] == _digest(name, entry, _START)
