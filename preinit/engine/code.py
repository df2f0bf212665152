"""Modules that were compiled as a whole, kept for later processes.

Compiled code is run as it is (https://docs.wasmtime.dev/api/wasmtime/struct.Module.html#method.deserialize): one bit
that has changed makes a wrong output, or ends the process. So an entry has a checksum of its name and its code, which
is compared before the engine sees it; and the code of an entry is marked while it runs, so that what ended a process is
not run a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, pairwise

from ..binary.digest import CHECKSUM, checksum, fingerprint
from ..binary.large import Large
from ..files.cache import Kind, Name, read_large_entry, remove_entry, write_entry
from ..files.marks import died, running
from ..version import VERSION
from . import ffi
from .room import check_room_to_compile
from .values import EngineError

#: The number is that of an entry's form: magic, checksum, the length of each module's code, the code of each.
_MAGIC = b"preinit module 3\n"
_START = len(_MAGIC) + CHECKSUM
_LENGTH = 8

DAMAGED = "the code in the cache is damaged"
ENDED = "the code in the cache was running when an earlier process died"


class CodeCache:
    """Code of the cache, in a folder that is `files.cache.usable`.

    `distrusted`: why code that is there was not used, in words; empty where it was, or where there was none.
    """

    def __init__(self, folder: Name) -> None:
        self.folder = folder
        self.distrusted = ""
        self._used: set[str] = set()

    def compile(self, engine: ffi.Engine, wasm: bytes, settings: object) -> ffi.Module:
        """The module, from the cache or compiled, and kept then. `settings`: all that the engine was told.

        Raises `EngineError`.
        """
        return self.compile_all(engine, [wasm], settings)[0]

    def compile_all(self, engine: ffi.Engine, parts: Sequence[bytes], settings: object) -> list[ffi.Module]:
        """The same for modules that are kept together, since each is small. Where one changes, all are compiled."""
        facts = (VERSION, ffi.build(), repr(settings), *(fingerprint(wasm).hex() for wasm in parts))
        name = fingerprint("\n".join(facts).encode()).hex()
        entry = self.read("modules", name)
        places = _places(name, entry, len(parts)) if entry is not None else None
        if entry is not None and places is None:
            self.distrust("modules", name, DAMAGED)
        elif entry is not None and places:
            try:
                with running(self.folder, (name,)):
                    found = [ffi.deserialize(engine, entry, *place) for place in places]
                self._used.add(name)
                return found
            except EngineError:
                pass  # of a machine with other instructions
        modules = [_compiled(engine, wasm) for wasm in parts]
        try:
            codes = [ffi.serialize(module) for module in modules]
        except EngineError:  # too little memory, perhaps
            return modules
        sizes = b"".join(len(code).to_bytes(_LENGTH, "little") for code in codes)
        write_entry(self.folder, "modules", name, _MAGIC, checksum(name.encode(), sizes, *codes), sizes, *codes)
        return modules

    def read(self, kind: Kind, name: str) -> bytes | Large | None:
        """What an entry holds, unchecked; None if there is none, or if it must not be run."""
        if died(self.folder, name):
            self.distrust(kind, name, ENDED)
            return None
        return read_large_entry(self.folder, kind, name)

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


def _places(name: str, entry: bytes | Large, count: int) -> list[tuple[int, int]] | None:
    """Where the code of each of so many modules is in an entry of that name; None for one that is not whole."""
    view = memoryview(entry)
    if not entry.startswith(_MAGIC) or view[len(_MAGIC) : _START] != checksum(name.encode(), view[_START:]):
        return None
    sizes = view[_START : _START + count * _LENGTH]
    ends = [
        *accumulate(
            (int.from_bytes(sizes[at : at + _LENGTH], "little") for at in range(0, len(sizes), _LENGTH)),
            initial=_START + len(sizes),
        )
    ]
    return list(pairwise(ends)) if ends[-1] == len(entry) else None
