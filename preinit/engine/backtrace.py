"""Where the guest is, while a function of the host runs that it called."""

from __future__ import annotations

from typing import Any

from ..binary import encoder as write
from ..binary.module import SectionId
from ..binary.sections import ExternKind
from . import ffi
from .guest import GENERATED
from .values import GuestTrapped, RawFrame

#: A module with one function, which traps. Its name tells its frame from the guest's.
_TRAP = write.assemble(
    [
        write.section(SectionId.TYPE, write.vector([b"\x60\0\0"])),
        write.section(SectionId.FUNCTION, write.vector([b"\0"])),
        write.section(SectionId.EXPORT, write.vector([write.export("trap", ExternKind.FUNC, 0)])),
        write.section(SectionId.CODE, write.vector([write.code_entry(b"\0\0\x0b")])),
        write.module_name(GENERATED),
    ]
)


class Backtraces:
    """Takes backtraces of the guest in a store. The engine keeps 20 frames of each, the innermost.

    It gives frames with a trap only, and not with one that the host makes: so a function of ours, called on top of the
    guest's, traps. 0.7 ms for the first, then 0.3 ms.
    """

    def __init__(self, store: ffi.Store) -> None:
        self._store = store
        self._trap: Any = None

    def __call__(self) -> tuple[RawFrame, ...]:
        if self._trap is None:
            instance = ffi.instantiate(self._store, ffi.compile_module(self._store.engine, _TRAP), ())
            self._trap = ffi.export(self._store, instance, "trap")
        try:
            ffi.call(self._store, self._trap, (), 0)
        except GuestTrapped as trap:  # by `unreachable`, or since the stack or the time was over: it has the frames
            return trap.frames
        return ()
