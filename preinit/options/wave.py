"""How values of components are written: WAVE, without regard to types.

https://github.com/bytecodealliance/wasm-tools/tree/main/crates/wasm-wave
"""

from __future__ import annotations

import re

from ..errors import quoted
from ..tuples import NamedTuple
from .reading import Mistake, Reader

#: Values within values.
DEEPEST = 100

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|inf(?![-\w]))")
_LABEL = re.compile(r"%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
_HINT = (
    'Values are written in WAVE: 3, -0.5, true, \'c\', "text", [1, 2], (1, "b"), {name: "x"}, {flag}, some(1), none, '
    "ok(1), err, case(1)."
)


class Number(NamedTuple):
    text: str


class Char(NamedTuple):
    text: str


class Text(NamedTuple):
    text: str


class Content(NamedTuple):
    """What a file holds, for a list of bytes or a text; it can't be written in WAVE."""

    data: bytes


class Sequence(NamedTuple):
    """A list, or a tuple."""

    is_list: bool
    items: tuple[Node, ...]


class Fields(NamedTuple):
    """A record's fields; of flags, each without a value."""

    items: tuple[tuple[str, Node | None], ...]


class Label(NamedTuple):
    """A case, with its payload if there is one; `true`, `nan` and the like."""

    name: str
    payload: Node | None


Node = Number | Char | Text | Content | Sequence | Fields | Label


class WrittenCall(NamedTuple):
    """A call: the function as it was named, and what it is given; None: nothing was written of that."""

    name: str
    arguments: tuple[Node, ...] | None


def mistake_of(text: str) -> Mistake | None:
    """What is wrong with a call with values of components, as far as that shows without types; None: nothing."""
    try:
        call = _read(text)
    except Mistake as mistake:
        return mistake
    return None if call.name and call.arguments else Mistake(0, "a call begins with a name, and has arguments", _HINT)


def read_call(text: str) -> WrittenCall:
    """A function's name, with or without arguments. Raises `UsageError`, which points at the place."""
    try:
        return _read(text)
    except Mistake as mistake:
        raise mistake.error(text) from None


def _read(text: str) -> WrittenCall:
    opening = text.find("(")
    if opening < 0:
        return WrittenCall(text, None)
    reader = _Reader(text, opening + 1)
    arguments = reader.until(")", 0)
    reader.end()
    return WrittenCall(text[:opening].rstrip(), arguments)


class _Reader(Reader):
    space = re.compile(r"(?:\s|//[^\n]*)*")
    escapes = {**Reader.escapes, "'": "'"}
    hint = _HINT

    def end(self) -> None:
        if self._next():
            raise self._wrong("nothing can stand here, behind the call")

    def until(self, closing: str, depth: int) -> tuple[Node, ...]:
        """Values up to a closing bracket."""
        found: list[Node] = []
        while not self._takes(closing):
            found.append(self._value(depth + 1))
            if not self._takes(","):
                if not self._takes(closing):
                    raise self._wrong(f"a comma or {closing} must stand here")
                break
        return tuple(found)

    def _value(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._wrong(f"values within values, more than {DEEPEST} deep")
        character = self._next()
        if character == '"':
            return Text(self._quoted())
        if character == "'":
            start = self._at
            found = self._quoted()
            if len(found) != 1:
                raise self._wrong("a char is one character between quotes", start)
            return Char(found)
        if self._takes("["):
            return Sequence(True, self.until("]", depth))
        if self._takes("("):
            return Sequence(False, self.until(")", depth))
        if self._takes("{"):
            return self._fields(depth)
        if match := _NUMBER.match(self._text, self._at):
            self._at = match.end()
            return Number(match[0])
        name = self._label("a value must stand here")
        if self._text[self._at : self._at + 1] != "(":
            return Label(name, None)
        self._at += 1
        payload = self._value(depth + 1)
        if not self._takes(")"):
            raise self._wrong("the closing bracket must stand here")
        return Label(name, payload)

    def _fields(self, depth: int) -> Fields:
        found: list[tuple[str, Node | None]] = []
        while not self._takes("}"):
            if not found and self._takes(":"):  # a record of which no field is given
                continue
            name = self._label("the name of a field must stand here")
            found.append((name, self._value(depth + 1) if self._takes(":") else None))
            if not self._takes(","):
                if not self._takes("}"):
                    raise self._wrong("a comma or } must stand here")
                break
        names = [name for name, _ in found]
        if len(set(names)) != len(names):
            raise self._wrong(f"{quoted(next(name for name in names if names.count(name) > 1))} is given twice")
        return Fields(tuple(found))

    def _label(self, what: str) -> str:
        self._next()
        match = _LABEL.match(self._text, self._at)
        if not match:
            raise self._wrong(what)
        self._at = match.end()
        return match[0].removeprefix("%")
