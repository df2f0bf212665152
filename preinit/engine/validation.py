"""Whether the engine takes a module, and what to say where it does not."""

from __future__ import annotations

import re

from ..binary.mapped import giving_back
from ..errors import (
    EngineLimit,
    InvalidModule,
    MemoryLimit,
    PreinitError,
    Unsupported,
    UnsupportedProposal,
    printable,
    system_limit,
)
from . import ffi
from .guest import GuestCode
from .room import check_room_to_validate, has_limit
from .runtime import EngineSettings, new_engine
from .values import EngineError

#: What `check` raises.
REFUSALS = (InvalidModule, UnsupportedProposal, EngineLimit)

#: What the engine says when a module uses a proposal that it does not have, or that is off.
_LACKS = (
    r"(?i)not enabled|must be enabled|feature required|requires? the [\w -]+ (?:feature|proposal)|required for exact"
    r"|not (?:yet )?(?:supported|implemented)|Unsupported"
)

#: What it says when something is more than it takes, where the specification has no limit.
_EXCEEDS = (
    r"exceeds? (?:the )?(?:implementation )?limit|exceed maximum|cannot exceed depth|too many data segments"
    r"|\b(?:params|returns|fields|string|table) size (?:is )?out of bounds"
)
_SMALLER = "The engine has no memories of that size: have the module start with a smaller one, and grow."
#: What to do about too many data segments: https://github.com/WebAssembly/binaryen
MERGE = (
    "Merge active segments, which leaves what memory holds as it is: `wasm-opt --limit-segments -all "
    "--disable-bulk-memory --enable-bulk-memory-opt --disable-compact-imports IN -o OUT`."
)


def link_problem(problem: EngineError) -> PreinitError:
    """The error for a module that can't be instantiated. What it starts with is within our limits: those were asked."""
    message = first_line(problem)
    number = re.search(r"\(os error (\d+)\)", message)
    if number and (said := system_limit(int(number[1]))):
        return MemoryLimit(f"the module's memory could not be created: {said.what}", hint=said.hint)
    if re.search(r"exceeds memory limits|mmap|allocat|reserv", message):
        return MemoryLimit(f"the module's memory could not be created: {message}", hint=_SMALLER)
    named = re.search("incompatible import type for `(.*)`", str(problem))
    where = f"import `{printable(named[1].replace('::', '.', 1))}`" if named else None
    return Unsupported(f"the module can't be instantiated: {message}", where=where)


def refusal(code: GuestCode, problem: EngineError, compiler: str) -> PreinitError:
    """The error for a module that the engine refuses, in terms of the original file."""
    try:
        check(code.original.data)
    except REFUSALS as original:
        return original
    return Unsupported(
        f"the engine refuses the module: {first_line(problem)}",
        hint="Try `--compiler cranelift`." if compiler == "winch" else None,
    )


def check(wasm: bytes, parallel: bool = True) -> None:
    """Validates a module with every proposal that the engine has. `parallel`: on all cores.

    The engine's threads do one thing after the other: what else is to be compiled meanwhile would wait.

    Raises `InvalidModule`, `UnsupportedProposal` or `EngineLimit`, with the byte offset; `SystemLimit`.
    """
    check_room_to_validate(wasm)
    try:
        with giving_back(wasm, threads=not has_limit()):  # a thread takes address space
            ffi.validate(new_engine(EngineSettings("cranelift"), parallel=parallel), wasm)
    except EngineError as problem:
        text = str(problem)
        offset = re.search(r"\(at offset (0x[0-9a-f]+|\d+)\)", text)
        where = f"byte offset {int(offset[1], 0):#x}" if offset else None
        lines = [line.strip() for line in text.splitlines() if line.strip() and "Caused by" not in line]
        detail = re.sub(r"^\d+: |\s*\(at offset \S+\)", "", lines[-1]) if lines else text
        if "legacy" in detail.lower() or "legacy_exceptions" in text:
            raise UnsupportedProposal(
                f"the module uses the legacy exception handling: {detail}",
                where=where,
                hint="Compile with the exnref proposal, or translate it: `wasm-opt --translate-to-exnref -all "
                "--disable-compact-imports IN -o OUT` (Binaryen up to 130: without `--disable-compact-imports`, which "
                "later ones need: most engines refuse their compact imports).",
            ) from problem
        if re.search(_EXCEEDS, detail):
            raise EngineLimit(
                f"the module has more than engines take: {detail}",
                where=where,
                hint=MERGE if "data segments" in detail else None,
            ) from problem
        if re.search(_LACKS, detail):
            raise UnsupportedProposal(f"the engine lacks a proposal: {detail}", where=where) from problem
        raise InvalidModule(f"the module is not valid: {detail}", where=where) from problem


def first_line(problem: Exception) -> str:
    """The line of an engine's message that says most, without its own backtrace."""
    lines = [re.sub(r"^\d+: ", "", line.strip()) for line in str(problem).splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("wasm trap:")]
    return (said or lines[-1:] or ["no message"])[0].removeprefix("wasm trap: ")
