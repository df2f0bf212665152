"""What the engine gives: values, frames, and the two ways in which it ends a call."""

from __future__ import annotations

from ..errors.reason import Reason
from ..tuples import NamedTuple


class EngineError(Exception):
    """The engine refused: a module that doesn't validate, a proposal that it lacks, an instance that doesn't link."""


#: Frames that the engine keeps of a backtrace, the innermost.
ENGINE_FRAMES = 20


class RawFrame(NamedTuple):
    """One frame of a trap: function index and code offset within that function, in the module that was run.

    `module` is the module's name in its name section; only generated modules carry one.
    """

    function: int
    offset: int
    module: str | None


class GuestTrapped(Exception):
    """The guest trapped. `code` is the engine's trap code, None for a trap that the host made."""

    def __init__(self, message: str, code: int | None, frames: tuple[RawFrame, ...]) -> None:
        super().__init__(message)
        self.code = code
        self.frames = frames


class RawValue(NamedTuple):
    """A value's bits. `kind` is one of "number", "null", "func", "i31", "object" (any other reference)."""

    kind: str
    bits: bytes


#: What a reference holds that names nothing.
NULL = RawValue("null", b"")


class Unsuited(Exception):
    """A module can't be compiled on demand, for a `reason`: it is compiled as a whole instead.

    `compiler`: the compiler to try first, where another one was at fault. `lasting`: whether that is about the module,
    and not about one run or this machine.
    """

    def __init__(self, code: str, text: str, compiler: str | None = None, lasting: bool = True) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)
        self.lasting = lasting
        self.compiler = compiler
