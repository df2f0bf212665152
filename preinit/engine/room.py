"""Address space that is left: where the engine is refused an allocation, it ends the process with its own backtrace."""

from __future__ import annotations

import errno
from pathlib import Path

from ..binary.cursor import Cursor
from ..binary.module import SectionId, read_sections
from ..errors import PreinitError, as_limit

#: Bytes that validation takes: in any case, its threads' stacks among them, and for each function. Measured with
#: engine 50, half as much was enough for modules of 20,000 to 620,000 functions.
_VALIDATION, _FUNCTION = 48 << 20, 256


def check_room_to_validate(wasm: bytes) -> None:
    """Refuses to validate a module under a limit of the shell that is too low for it. Raises `SystemLimit`."""
    left = _left()
    if left is None:
        return
    needed = _VALIDATION + _FUNCTION * _functions(wasm)
    if left < needed:
        problem = as_limit(OSError(errno.ENOMEM, ""), "the module can't be validated")
        assert problem is not None
        raise problem


def _left() -> int | None:
    """Bytes of address space that the process may still take; None where that is not limited, or not known."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return limit - pages * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None


def _functions(wasm: bytes) -> int:
    """How many functions a binary says that it defines; 0 where it can't be read."""
    try:
        found = next((section for section in read_sections(wasm) if section.id == SectionId.FUNCTION), None)
        return Cursor(wasm, found.start, found.end, found.label).count() if found else 0
    except PreinitError:
        return 0
