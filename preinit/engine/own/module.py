"""Compiling a module of our own, once for a process, and calling it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from weakref import WeakSet

from .. import ffi
from ..pages import prefer_large
from ..room import has_limit
from ..values import EngineError


class OwnModule:
    """The module in the file `name`.wat, in an engine of its own: with what is best for it, on all machines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._found: tuple[ffi.Engine, ffi.Module] | None = None
        self._fails = False
        _all.add(self)

    def get_ready(self) -> None:
        """Compiles it, if that was not done yet: in a thread that has nothing else to do."""
        if not has_limit():
            self._compiled()

    def instance(self, exports: Sequence[str]) -> OwnInstance | None:
        """A fresh one. None where it can't be had: address space is limited, or the engine has no room."""
        if has_limit():  # it takes more than seems fair for speed alone
            return None
        found = self._compiled()
        try:
            return OwnInstance(*found, exports) if found else None
        except EngineError:
            return None

    def _compiled(self) -> tuple[ffi.Engine, ffi.Module] | None:
        """None where that can't be done, which is tried once: the file may be missing, or there is too little room."""
        with self._lock:
            if self._found is None and not self._fails:
                self._fails = True
                with suppress(EngineError, OSError):
                    self._found = self._compile()
                    self._fails = False
            return self._found

    def _compile(self) -> tuple[ffi.Engine, ffi.Module]:
        """Raises `EngineError`, `OSError`."""
        config = ffi.Config()
        config.set("parallel_compilation", False)  # the engine's threads may be those of another process
        engine = ffi.Engine(config)
        with open(os.path.join(os.path.dirname(__file__), f"{self._name}.wat"), "rb") as stream:
            return engine, ffi.compile_module(engine, ffi.binary(stream.read()))

    def forked(self) -> None:
        """In a copy of the process: who held the lock is not there."""
        self._lock = threading.Lock()


_all: WeakSet[OwnModule] = WeakSet()


def _forked() -> None:
    for module in _all:
        module.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


#: Parameters that a function of ours has.
_MOST = 5


class OwnInstance:
    """An instance, for one thread at a time. `memory`: its memory, at `address`, which never grows."""

    def __init__(self, engine: ffi.Engine, module: ffi.Module, exports: Sequence[str]) -> None:
        """Raises `EngineError`."""
        self._store = ffi.Store(engine)
        instance = ffi.instantiate(self._store, module, ())
        self._calls = {
            name: ffi.caller(self._store, ffi.export(self._store, instance, name), _MOST) for name in exports
        }
        memory = ffi.export(self._store, instance, "memory")
        self.address, size = ffi.memory_place(self._store, memory)
        prefer_large(self.address, size)
        self.memory = ffi.memory_view(self._store, memory)

    def call(self, name: str, *arguments: int) -> int:
        """Calls an export with unsigned numbers. Gives its result, of 64 bits; nothing useful without one."""
        return self._calls[name](*arguments)

    def close(self) -> None:
        """Frees its memory."""
        self.memory = memoryview(b"")
        self._calls.clear()
        self._store.close()
