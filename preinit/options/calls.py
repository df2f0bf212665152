"""Calls of exports that are given more than numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, quoted
from ..records import Value, value
from ..tuples import NamedTuple
from .kinds import Kind, Path, Wrong
from .lists import anchored_path, check_list, items, pairs, read_list
from .numbers import FARTHEST, is_number
from .texts import NOT_EMPTY, matching_schema, name_text, read_text

if TYPE_CHECKING:
    from .grammar import Part, Written


class Word(NamedTuple):
    """An argument: the 32 bits in memory, `offset` bytes after the address that the call before returned."""

    offset: int


class Returned(NamedTuple):
    """An argument: what the call before returned."""


class Number(NamedTuple):
    """An argument: a number as it is written, for those that Python's can't be."""

    text: str


class Argv(NamedTuple):
    """Two arguments: how many texts there are, and the address of an array of their addresses with null behind it, as C
    passes them to `main`."""

    texts: tuple[str, ...]


class Strings(NamedTuple):
    """Two arguments: a `list<string>` of the canonical ABI, address and length."""

    texts: tuple[str, ...]


def argv(*texts: str) -> Argv:
    """The argument vector of a call: `preinit.argv("ruby", "-e", "")`. Raises `UsageError`."""
    return Argv(tuple(_without_nul(text) for text in texts))


def strings(*texts: str) -> Strings:
    """A `list<string>` of a call: `preinit.strings("ruby", "-e", "")`. Raises `UsageError`."""
    return Strings(tuple(_unicode(text) for text in texts))


Argument = bytes | str | int | float | Word | Returned | Number | Argv | Strings

#: What allocates memory: the arguments of such an export, of which None is the size in bytes.
REALLOC: tuple[int | None, ...] = (0, 0, 8, None)
MALLOC: tuple[int | None, ...] = (None,)
ALIGNED: tuple[int | None, ...] = (None, 8)

#: Exports that allocate memory, best first: the canonical ABI's realloc (old address and size, alignment, new size),
#: and C's.
ALLOCATORS: dict[str, tuple[int | None, ...]] = {
    "cabi_realloc": REALLOC,
    "canonical_abi_realloc": REALLOC,
    "malloc": MALLOC,
    "allocate": MALLOC,
}


@value
class Call(Value):
    """A call of an export with data, for `Options.init_funcs` and as the source in `Options.rename_funcs`.

        preinit.build("engine.wasm", init_funcs=[
            "initialize-runtime",
            preinit.Call("compile-src", source, returns="result"),
            preinit.Call("invoke", preinit.Word(4), preinit.Word(8), 0, 0, 0),
        ])

    Parameters
    ----------
    name: the export.
    arguments: numbers; bytes, which the function gets as address and length (two i32) of a copy in its memory; a
        string, which it gets as the address of a copy that ends with NUL; `argv(...)`, `strings(...)`;
        `Word(offset)`: the 32 bits in memory, that many bytes after the address that the call before returned;
        `Returned()`: what that call returned. The module itself makes room for copies: with its `cabi_realloc`,
        `canonical_abi_realloc`, `malloc` or `allocate`, or with `Options.allocator`.
    returns: "result": it returns the address of a `result<_, string>` of the canonical ABI, and an error in there
        fails the build: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md . A
        number, or one as text: what it must return.

    Raises `UsageError` for arguments of other types.
    """

    name: str
    arguments: tuple[Argument, ...]
    returns: str | None
    #: How it was written, where it was, for messages.
    text: str | None = None

    def __init__(self, name: str, *arguments: Argument, returns: str | int | float | None = None) -> None:
        if not isinstance(name, str):
            raise UsageError(f"the name of an export must be a string, not {type(name).__name__}")
        number = isinstance(returns, int | float) and not isinstance(returns, bool)
        if not (number or returns in (None, "result") or (isinstance(returns, str) and is_number(returns))):
            raise UsageError(
                f"a call can't be said to return {returns!r}", hint='Leave it out, or returns="result", or a number.'
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", tuple(map(_checked, arguments)))
        object.__setattr__(self, "returns", None if returns is None else str(returns))
        object.__setattr__(self, "text", None)

    def __eq__(self, other: object) -> bool:
        return self._compared() == other._compared() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        return f"Call(name={self.name!r}, arguments={self.arguments!r}, returns={self.returns!r})"

    def _compared(self) -> tuple[object, ...]:
        return self.name, self.arguments, self.returns


def _checked(value: object) -> Argument:
    if isinstance(value, Word):
        if not isinstance(value.offset, int) or not 0 <= value.offset <= FARTHEST:
            raise UsageError(f"the offset of a word can't be {value.offset!r}", hint="Bytes, from 0 on.")
        return value
    if isinstance(value, Argv):
        return argv(*value.texts)
    if isinstance(value, Strings):
        return strings(*value.texts)
    if isinstance(value, Returned | Number):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _without_nul(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise UsageError(
        f"an initializer can't be given a value of type {type(value).__name__}",
        hint="Give numbers, strings, bytes, argv(...), strings(...), a Word, or Returned().",
    )


def _unicode(value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"a list of texts can't have a value of type {type(value).__name__}", hint="Give strings.")
    return name_text("a text", value)


def _without_nul(value: object) -> str:
    text = _unicode(value)
    if "\0" in text:
        raise UsageError(
            f"the text {quoted(text)} has a NUL character, and would end there",
            hint="Give its bytes, with their length: @FILE, or bytes.",
        )
    return text


def _parsed(text: str, before: str = "") -> Written | None:
    """The call that a text says; None for a name, and where only a component takes it. Raises `UsageError`."""
    if "(" not in text:
        return None
    from .grammar import parse
    from .reading import Mistake

    try:
        return parse(text)
    except Mistake as mistake:
        from .wave import mistake_of

        other = mistake_of(text)
        if other is None:
            return None
        # What begins as values of a component do is wrong as one of these.
        if text[mistake.at : mistake.at + 1] in tuple("{[('") and other.at > mistake.at:
            mistake = other
        raise mistake.error(text, before) from None


def call_of(text: str, read: Callable[[str], bytes], before: str = "") -> str | Call:
    """What `-f`, `-r` and files take, see docs/calls.md. `read` gives the bytes of a file; `before` was written before
    it.

    The text itself where it is a name, or a name and numbers, or gives what only a component takes. Raises
    `UsageError`, and what `read` raises.
    """
    found = _parsed(text, before)
    if found is None:
        return text
    returns = "result" if found.returns == "?" else found.returns
    call = Call(found.name, *(_argument(part, read) for part in found.parts), returns=returns)
    object.__setattr__(call, "text", text)
    return call


def _argument(part: Part, read: Callable[[str], bytes]) -> Argument:
    match part.kind:
        case "number":
            return _number(part.values[0])
        case "file":
            return read(part.values[0])
        case "text":
            return part.values[0]
        case "argv":
            return Argv(part.values)
        case "list":
            return Strings(part.values)
        case _:
            return Word(int(part.values[0])) if part.values else Returned()


def _number(text: str) -> int | float | Number:
    """A number, as Python has it where it has it."""
    for convert in (lambda text: int(text, 0), float):
        try:
            value = convert(text)
        except ValueError:
            continue
        return Number(text) if text.startswith("-") and not value else value
    return Number(text)


def anchored(text: str, folder: str) -> str:
    """The same with the names of files relative to a folder. Raises `UsageError`."""
    found = _parsed(text)
    if found is None:
        return text
    from .grammar import quoted_text

    moved = text
    for part in reversed(found.parts):
        if part.kind == "file" and part.values[0] != "{}":
            path = anchored_path(part.values[0], folder)
            moved = f"{moved[: part.start]}{quoted_text(path)}{moved[part.end :]}"
    return moved


def files(text: str) -> list[str]:
    """The names of the files that `written` reads. Raises `UsageError`."""
    names: list[str] = []

    def note(name: str) -> bytes:
        names.append(name)
        return b""

    call_of(text, note)
    return names


def initializers() -> Kind:
    """Calls of exports, in order: in a file and on the command line each as `written` takes it."""
    wanted = "a list of strings"

    def check_one(name: str, value: Any) -> str | Call:
        return value if isinstance(value, Call) else name_text(name, value)

    def check(name: str, value: Any) -> tuple[str | Call, ...] | None:
        return None if value is None else check_list(name, value, check_one)

    return Kind(
        wanted,
        check,
        lambda value, path: read_list(value, path, _read_call, wanted),
        lambda: {"type": "array", "items": matching_schema(NOT_EMPTY)},
        lambda text, flag: text,
        repeats=True,
        resolve=lambda value, files: tuple(call_of(text, files.read) for text in value),
        anchor=lambda value, folder: [anchored(text, folder) for text in value],
    )


def _read_call(value: Any, path: Path) -> str:
    """A call, or a name, that stands in a file."""
    text = read_text(value, path)
    try:
        files(text)
    except UsageError as problem:
        raise Wrong(path, problem.what, problem.hint, problem.where) from None
    return text


def renamings() -> Kind:
    """Destination -> source: the name of an export, or a call with constants, which the output gets as a function."""

    def source(option: str, value: Any) -> str | Call:
        return value if isinstance(value, Call) else name_text(option, value)

    plain = pairs(name_text, source, "DST=SRC", "_start=resume", read=_read_call)
    return plain._replace(
        resolve=lambda value, files: tuple(
            (name, call_of(text, files.read, f"{name}=")) for name, text in items(value)
        ),
        anchor=lambda value, folder: {name: anchored(text, folder) for name, text in items(value)},
    )
