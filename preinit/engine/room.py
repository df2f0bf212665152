"""Address space that is left: where the engine is refused an allocation, it ends the process with its own backtrace."""

from __future__ import annotations

import errno

from ..binary.cursor import Cursor
from ..binary.module import SectionId, read_sections
from ..errors import PreinitError, SystemLimit, system_limit

#: Bytes that validation takes: in any case, its threads' stacks among them, and for each function. Measured with
#: engine 50, half as much was enough for modules of 20,000 to 620,000 functions.
_VALIDATION, _FUNCTION = 48 << 20, 256

#: Bytes that compiling takes in addition, for each byte of code: up to 62 with either compiler, measured with engine 50
#: on modules of 1 to 12 MB. Of the first MiB, more: each thread has an arena of its own.
_COMPILED, _FIRST = 64, 128

#: Bytes that are left when a thread has its stack: for what other threads are doing.
_BESIDE = 64 << 20


def check_room_to_validate(wasm: bytes) -> None:
    """Refuses to validate a module under a limit of the shell that is too low for it. Raises `SystemLimit`."""
    left = _left()
    if left is None:
        return
    _check(left, _VALIDATION + _FUNCTION * _functions(wasm), "the module can't be validated")


def check_room_to_compile(wasm: bytes) -> None:
    """Refuses to compile a module under such a limit. Raises `SystemLimit`."""
    left = _left()
    if left is None:
        return
    code = _code(wasm)
    needed = _VALIDATION + _FUNCTION * _functions(wasm) + _COMPILED * code + _FIRST * min(code, 1 << 20)
    _check(left, needed, "the module can't be compiled")


def check_room_to_run(stack: int) -> None:
    """Refuses to start a thread of so much stack, in bytes, that others have too little. Raises `SystemLimit`."""
    left = _left()
    if left is not None:
        _check(left, stack + _BESIDE, "the guest can't be run")


def has_limit() -> bool:
    """Whether there is such a limit."""
    return _left() is not None


def _check(left: int, needed: int, what: str) -> None:
    if left < needed:
        limit = system_limit(errno.ENOMEM)
        assert limit is not None
        amounts = (
            f"that may take {needed >> 20} MiB of address space, and {max(left, 0) >> 20} are left to this process"
        )
        raise SystemLimit(f"{what}: {amounts}", hint=limit.hint)


def _left() -> int | None:
    """Bytes of address space that the process may still take; None where that is not limited, or not known."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        with open("/proc/self/statm", "rb") as stream:
            pages = int(stream.read().split()[0])
        return limit - pages * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None


def _code(wasm: bytes) -> int:
    """Bytes of a binary's code section; 0 where it can't be read."""
    try:
        return sum(section.end - section.start for section in read_sections(wasm) if section.id == SectionId.CODE)
    except PreinitError:
        return 0


def _functions(wasm: bytes) -> int:
    """How many functions a binary says that it defines; 0 where it can't be read."""
    try:
        found = next((section for section in read_sections(wasm) if section.id == SectionId.FUNCTION), None)
        return Cursor(wasm, found.start, found.end, found.label).count() if found else 0
    except PreinitError:
        return 0
