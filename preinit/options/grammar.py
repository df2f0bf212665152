"""How users write a call: `NAME(ARG,...)`, with `?` or `=N` behind it. docs/calls.md has all of it.

What is wrong is said with the character at which it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import UsageError, printable
from .numbers import FARTHEST, is_number

#: A number, or what might be one: of which type it has to be is not known yet.
_BARE = re.compile(r"[+-]?[0-9A-Za-z_.+-]+")
_OFFSET = re.compile("[0-9]+")
_SPACE = re.compile(r"\s*")
#: A file's name that is not between quotes.
_FILE = re.compile(r"[^,()\"]+")
_LISTS = ("argv", "list")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"\{([0-9A-Fa-f]{1,6})\}")

#: Characters without which a text in brackets is numbers, or part of a name.
_SPECIAL = re.compile(r'["@*\[]|\)\s*[?=]')

#: Characters that are shown before the one that is pointed at, and behind it.
_BEFORE, _BEHIND = 60, 30

_HINT = 'Arguments are 3, 0.5, @FILE, "text", argv["a", "b"], list["a", "b"], * and *N: docs/calls.md.'


class Part(NamedTuple):
    """An argument as it was written: `kind` is "number", "file", "text", "argv", "list" or "word".

    `start`, `end`: where it stands; of a file its name, with quotes. `values`: its texts, one but for lists; of a word
    the offset, or nothing for what was returned itself.
    """

    kind: str
    start: int
    end: int
    values: tuple[str, ...]


class Written(NamedTuple):
    """A call. `returns`: "?" or a number, None where nothing is said."""

    name: str
    parts: tuple[Part, ...]
    returns: str | None


def parse(text: str) -> Written | None:
    """The call that a text says; None where that is a name, or a name and numbers only. Raises `UsageError`."""
    openings = [place for place, character in enumerate(text) if character == "("]
    if not openings or not _SPECIAL.search(text):
        return None
    problem: UsageError | None = None
    for opening in openings:
        if '"' in text[:opening]:
            break
        try:
            found = _Reader(text, opening).call()
        except UsageError as this:
            problem = problem or this
            continue
        plain = found.returns != "?" and all(part.kind == "number" for part in found.parts)
        return None if plain else found
    if problem is None:
        raise pointed(text, openings[0], "a call begins with the name of an export", _HINT)
    raise problem


def pointed(text: str, at: int, what: str, hint: str) -> UsageError:
    """An error that shows a text and points at one of its characters."""
    start = max(0, at - _BEFORE)
    before = ("..." if start else "") + printable(text[start:at])
    behind = printable(text[at : at + _BEHIND]) + ("..." if len(text) > at + _BEHIND else "")
    return UsageError(what, where=f"character {at + 1}\n    {before}{behind}\n    {' ' * len(before)}^", hint=hint)


class _Reader:
    def __init__(self, text: str, opening: int) -> None:
        self._text = text
        self._opening = opening
        self._at = opening + 1

    def call(self) -> Written:
        name = self._text[: self._opening]
        if not name:
            raise self._wrong("a call begins with the name of an export", at=0)
        parts = []
        if not self._takes(")"):
            while True:
                parts.append(self._argument())
                if self._takes(")"):
                    break
                self._needs(",", "a comma or the closing bracket must stand here")
        returns = None
        if self._takes("?"):
            returns = "?"
        elif self._takes("="):
            returns = self._bare("the number that must be returned stands behind =")
        if self._next():
            raise self._wrong("nothing can stand here, behind the call")
        return Written(name, tuple(parts), returns)

    def _argument(self) -> Part:
        character, start = self._next(), self._at
        if character == '"':
            return Part("text", start, self._at, (self._string(),))._replace(end=self._at)
        if self._takes("@"):
            start = self._at
            name = self._string() if self._next() == '"' else self._file()
            return Part("file", start, self._at, (name,))
        if self._takes("*"):
            match = _OFFSET.match(self._text, self._at)
            if match and int(match[0]) > FARTHEST:
                raise self._wrong(f"a word lies at most {FARTHEST} bytes behind an address")
            self._at = match.end() if match else self._at
            return Part("word", start, self._at, (match[0],) if match else ())
        for kind in _LISTS:
            if self._text.startswith(f"{kind}[", self._at):
                self._at += len(kind) + 1
                return Part(kind, start, 0, self._strings())._replace(end=self._at)
        return Part("number", start, 0, (self._bare("an argument must stand here"),))._replace(end=self._at)

    def _bare(self, what: str) -> str:
        self._next()
        match = _BARE.match(self._text, self._at)
        if not match or not is_number(match[0]):
            raise self._wrong(what)
        self._at = match.end()
        return match[0]

    def _file(self) -> str:
        match = _FILE.match(self._text, self._at)
        if not match or not match[0].strip():
            raise self._wrong("the name of a file must stand here")
        self._at = match.end()
        return match[0].strip()

    def _strings(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._takes("]"):
            return ()
        while True:
            if self._next() != '"':
                raise self._wrong('a text between quotes must stand here, "..."')
            found.append(self._string())
            if self._takes("]"):
                return tuple(found)
            self._needs(",", "a comma or ] must stand here")

    def _string(self) -> str:
        """A text between quotes, at which we are."""
        opening = self._at
        self._at += 1
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(found)
            found.append(self._escaped() if character == "\\" else character)
        raise self._wrong("a text begins here, and has no end", at=opening, hint='Close it with ".')

    def _escaped(self) -> str:
        """What the characters behind a backslash stand for."""
        kind = self._text[self._at : self._at + 1]
        start = self._at - 1
        self._at += 1
        if kind in _ESCAPES:
            return _ESCAPES[kind]
        match = _HEX.match(self._text, self._at) if kind == "u" else None
        if match and int(match[1], 16) < 0x110000 and not 0xD800 <= int(match[1], 16) < 0xE000:
            self._at = match.end()
            return chr(int(match[1], 16))
        raise self._wrong(
            "this backslash stands for nothing", at=start, hint='Write \\", \\\\, \\n, \\r, \\t or \\u{HEX}.'
        )

    def _next(self) -> str:
        """The next character that is no space; nothing at the end."""
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _takes(self, character: str) -> bool:
        found = self._next() == character
        self._at += found
        return found

    def _needs(self, character: str, what: str) -> None:
        if not self._takes(character):
            raise self._wrong(what)

    def _wrong(self, what: str, *, at: int | None = None, hint: str = _HINT) -> UsageError:
        return pointed(self._text, self._at if at is None else at, what, hint)


def quoted_text(text: str) -> str:
    """A text as it is written between quotes."""
    escapes = {value: f"\\{name}" for name, value in _ESCAPES.items()}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'
