"""Calls of initializers that are given more than numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..errors import UsageError, quoted
from .kinds import Kind, Path, Wrong
from .lists import anchored_path, check_list, read_list
from .texts import NOT_EMPTY, matching_schema, name_text, read_text


class Word(NamedTuple):
    """An argument: the 32 bits in memory, `offset` bytes after the address that the call before returned."""

    offset: int


Argument = bytes | int | float | Word
Returns = Literal["result"] | int | float

_NUMBER = re.compile(r"[+-]?[0-9a-zA-Z.+-]+")
_WRITTEN = re.compile(r"(.+)\(([^()]*)\)(\?|=[^()=]+|)", re.DOTALL)

#: Exports that allocate memory, best first, with their arguments, of which None is the size in bytes: the canonical
#: ABI's realloc (old address and size, alignment, new size), and C's.
ALLOCATORS: dict[str, tuple[int | None, ...]] = {
    "cabi_realloc": (0, 0, 8, None),
    "canonical_abi_realloc": (0, 0, 8, None),
    "malloc": (None,),
}

#: How far a word can lie after an address: what memory holds there comes from one call.
_FARTHEST = (1 << 32) - 1


@dataclass(frozen=True, init=False)
class Call:
    """A call of an export with data, for `Options.init_funcs`.

        preinit.build("engine.wasm", init_funcs=[
            "initialize-runtime",
            preinit.Call("compile-src", source, returns="result"),
            preinit.Call("invoke", preinit.Word(4), preinit.Word(8), 0, 0, 0),
        ])

    Parameters
    ----------
    name: the export.
    arguments: numbers; bytes, which the function gets as address and length (two i32) of a copy in its memory, made
        with the module's own `cabi_realloc` (or `canonical_abi_realloc`, or `malloc`); `Word(offset)`: the 32 bits in
        memory, that many bytes after the address that the call before returned.
    returns: "result": it returns the address of a `result<_, string>` of the canonical ABI, and an error in there
        fails the build: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md ; a
        number: it returns that one, and any other fails the build.

    Raises `UsageError` for arguments of other types.
    """

    name: str
    arguments: tuple[Argument, ...]
    returns: Returns | None

    def __init__(self, name: str, *arguments: Argument, returns: Returns | None = None) -> None:
        if not isinstance(name, str):
            raise UsageError(f"the name of an export must be a string, not {type(name).__name__}")
        number = isinstance(returns, int | float) and not isinstance(returns, bool)
        if not number and returns not in (None, "result"):
            raise UsageError(
                f"a call can't be said to return {returns!r}", hint='Leave it out, or returns="result", or a number.'
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", tuple(map(_checked, arguments)))
        object.__setattr__(self, "returns", returns)


def _checked(value: object) -> Argument:
    if isinstance(value, Word):
        if not isinstance(value.offset, int) or not 0 <= value.offset <= _FARTHEST:
            raise UsageError(f"the offset of a word can't be {value.offset!r}", hint="Bytes, from 0 on.")
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    hint = "Encode it: text.encode()." if isinstance(value, str) else "Give numbers, bytes, or a Word."
    raise UsageError(f"an initializer can't be given a value of type {type(value).__name__}", hint=hint)


def written(text: str, read: Callable[[str], bytes]) -> str | Call:
    """What `-f` and job files take: NAME(ARG,...), where ARG is a number, @FILE for its bytes (`read` gives them), or
    *N for `Word(N)`; with a ? at its end, it returns a result, with =N that number. Without data, words and results,
    the text itself.

    Raises `UsageError`, and what `read` raises.
    """
    match = _WRITTEN.fullmatch(text)
    if not match:
        return text
    parts = [part.strip() for part in match[2].split(",")] if match[2].strip() else []
    if not (match[3] == "?" or any(part[:1] in ("@", "*") for part in parts)):
        return text
    arguments: list[Argument] = []
    for part in parts:
        if part.startswith("@") and len(part) > 1:
            arguments.append(read(part[1:]))
        elif re.fullmatch(r"\*[0-9]{1,10}", part):
            arguments.append(Word(int(part[1:])))
        else:
            arguments.append(_number(part, text))
    returns: Returns | None = "result" if match[3] == "?" else None
    if match[3].startswith("="):
        returns = _number(match[3][1:].strip(), text)
    return Call(match[1], *arguments, returns=returns)


def anchored(text: str, folder: str) -> str:
    """The same with the names of files relative to a folder. Raises `UsageError` where they could not be read then."""
    match = _WRITTEN.fullmatch(text)
    if not match or not files(text):
        return text
    parts = [part.strip() for part in match[2].split(",")]
    parts = [f"@{anchored_path(part[1:], folder)}" if part[:1] == "@" and part != "@{}" else part for part in parts]
    moved = f"{match[1]}({','.join(parts)}){match[3]}"
    if len(files(moved) if _WRITTEN.fullmatch(moved) else ()) != len(files(text)):
        raise UsageError(
            f"the folder {quoted(folder)} can't stand in {quoted(text)}", hint="Run it in a folder without `,` and `)`."
        )
    return moved


def files(text: str) -> list[str]:
    """The names of the files that `written` reads. Raises `UsageError`."""
    names: list[str] = []

    def note(name: str) -> bytes:
        names.append(name)
        return b""

    written(text, note)
    return names


def _number(part: str, text: str) -> int | float:
    try:
        if not _NUMBER.fullmatch(part):
            raise ValueError
        try:
            return int(part, 0)
        except ValueError:
            return float(part)
    except ValueError:
        raise UsageError(
            f"{quoted(part)} in {quoted(text)} can't be given to an initializer",
            hint="Write a number, @FILE for the bytes of a file, or *N for the word at N bytes from what was returned.",
        ) from None


def initializers() -> Kind:
    """Calls of exports, in order: in a file and on the command line each as `written` takes it."""
    wanted = "a list of strings"

    def check_one(name: str, value: Any) -> str | Call:
        return value if isinstance(value, Call) else name_text(name, value)

    def check(name: str, value: Any) -> tuple[str | Call, ...] | None:
        return None if value is None else check_list(name, value, check_one)

    def read_one(value: Any, path: Path) -> str:
        text = read_text(value, path)
        try:
            files(text)
        except UsageError as problem:
            raise Wrong(path, problem.what, problem.hint) from None
        return text

    return Kind(
        wanted,
        check,
        lambda value, path: read_list(value, path, read_one, wanted),
        lambda: {"type": "array", "items": matching_schema(NOT_EMPTY)},
        lambda text, flag: text,
        repeats=True,
        resolve=lambda value, files: tuple(written(text, files.read) for text in value),
        anchor=lambda value, folder: [anchored(text, folder) for text in value],
    )
