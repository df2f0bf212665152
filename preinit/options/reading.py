"""Reading what users write by hand, character by character: what both grammars of calls share, and how a mistake shows.

`grammar` has the one for calls of core modules, `wave` the one for values of components.
"""

from __future__ import annotations

import re
from typing import ClassVar

from ..errors import UsageError, printable

#: Characters that are shown before the one that is pointed at, and behind it.
_BEFORE, _BEHIND = 60, 30

_HEX = re.compile(r"\{([0-9A-Fa-f]+)\}")
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
_ESCAPE_HINT = 'Write \\", \\\\, \\n, \\r, \\t or \\u{HEX}.'


class Mistake(Exception):
    """What is wrong with a text, at its character number `at`, from 0 on."""

    def __init__(self, at: int, what: str, hint: str) -> None:
        super().__init__(what)
        self.at, self.what, self.hint = at, what, hint

    def error(self, text: str, before: str = "") -> UsageError:
        """The error that shows the text, with what was written `before` it, and points at that character."""
        return UsageError(self.what, where=pointed(before + text, len(before) + self.at), hint=self.hint)


def pointed(text: str, at: int) -> str:
    """Where a mistake is: the text, or the part around it, and a caret under that character."""
    start = max(0, at - _BEFORE)
    before = ("..." if start else "") + printable(text[start:at])
    behind = printable(text[at : at + _BEHIND]) + ("..." if len(text) > at + _BEHIND else "")
    return f"character {at + 1}\n    {before}{behind}\n    {' ' * _columns(before)}^"


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: most characters one, some two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


class Reader:
    """Reads a text from a place on. What is wrong is raised as a `Mistake`."""

    #: What may stand between two parts, what a backslash and a character stand for, and what is right in general.
    space: ClassVar[re.Pattern[str]] = re.compile(r"\s*")
    escapes: ClassVar[dict[str, str]] = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
    hint: ClassVar[str] = ""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at

    def _next(self) -> str:
        """The next character that is no space; nothing at the end."""
        match = self.space.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _takes(self, character: str) -> bool:
        found = self._next() == character
        self._at += found
        return found

    def _needs(self, character: str, what: str) -> None:
        if not self._takes(character):
            raise self._wrong(what)

    def _quoted(self, no_nul: str | None = None, is_path: bool = False) -> str:
        """The text between quotes that begins here. `no_nul`: what to do where it has a NUL character, if that is
        wrong. `is_path`: it names a file; such names need be no UTF-8, and Python has a surrogate for each other byte.
        """
        opening, quote = self._at, self._text[self._at]
        self._at += 1
        found: list[str] = []
        while self._at < len(self._text):
            start, character = self._at, self._text[self._at]
            self._at += 1
            if character == quote:
                return "".join(found)
            if ord(character) in _SURROGATES and not is_path:
                raise self._wrong("this is not UTF-8, as a text has to be", start, "Give other bytes with @FILE.")
            character = self._escaped() if character == "\\" else character
            if character == "\0" and no_nul:
                raise self._wrong("a text ends with NUL, so it can't have one within", start, no_nul)
            found.append(character)
        raise self._wrong("a text begins here, and has no end", opening, f"Close it with {quote}.")

    def _escaped(self) -> str:
        """What the characters behind a backslash stand for."""
        start, kind = self._at - 1, self._text[self._at : self._at + 1]
        self._at += 1
        if kind in self.escapes:
            return self.escapes[kind]
        match = _HEX.match(self._text, self._at) if kind == "u" else None
        if not match:
            raise self._wrong("this backslash stands for nothing", start, _ESCAPE_HINT)
        self._at = match.end()
        number = int(match[1], 16) if len(match[1].lstrip("0")) <= len(f"{_LAST_CHARACTER:x}") else _LAST_CHARACTER + 1
        if number > _LAST_CHARACTER:
            raise self._wrong("there is no such character", start, f"The last one is \\u{{{_LAST_CHARACTER:x}}}.")
        if number in _SURROGATES:
            raise self._wrong(
                "this is half of a character in UTF-16, and none in UTF-8", start, "Write the character's own number."
            )
        return chr(number)

    def _wrong(self, what: str, at: int | None = None, hint: str | None = None) -> Mistake:
        return Mistake(self._at if at is None else at, what, self.hint if hint is None else hint)
