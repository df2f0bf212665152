"""How users write a call: `NAME(ARG,...)`, with `?` or `=N` behind it. docs/calls.md has all of it.

What is wrong is said with the character at which it is.
"""

from __future__ import annotations

import re

from ..tuples import NamedTuple
from .numbers import FARTHEST, is_number
from .reading import Mistake, Reader

#: A number, or what might be one: of which type it has to be is not known yet.
_BARE = re.compile(r"[+-]?[0-9A-Za-z_.+-]+")
_OFFSET = re.compile("[0-9]+")
#: A file's name that is not between quotes.
_FILE = re.compile(r"[^,()\"]+")
_LISTS = ("argv", "list")

#: Characters without which a text in brackets is numbers, or part of a name.
_SPECIAL = re.compile(r'["@*\[]|\)\s*[?=]')

#: A call whose arguments are numbers, or should be.
_NUMBERS = re.compile(r"(.*)\(([^()]*)\)(?:(\s*=)([^()=]+))?\s*", re.DOTALL)

_HINT = 'Arguments are 3, 0.5, @FILE, "text", argv["a", "b"], list["a", "b"], * and *N: docs/calls.md.'
_END_HINT = "A call ends with its closing bracket, or with =N or ? behind it: docs/calls.md."
_DOTS_HINT = "`...` stands for what the call is given: write its arguments there, or nothing."
_NUL_HINT = "Give its bytes, with their length: @FILE."


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
    """A call. `returns`: "?" or a number, None where nothing is said.

    `closing`, `returns_at`: where the closing bracket stands, and what is said of the result.
    """

    name: str
    parts: tuple[Part, ...]
    returns: str | None
    closing: int
    returns_at: int


def parse(text: str) -> Written | None:
    """The call that a text says; None where that is a name, or a name and numbers only. Raises `Mistake`."""
    if "(" not in text or not _SPECIAL.search(text):
        return None
    found = read(text)
    plain = found.returns != "?" and all(part.kind == "number" for part in found.parts)
    return None if plain else found


def read(text: str) -> Written:
    """The call that a text with an opening bracket says. Raises `Mistake`.

    The name of an export may have brackets, too. So each one may be that of the arguments, the first where a call
    begins; where none does, what is wrong is said of the one with which most of the text can be read.
    """
    openings = [place for place, character in enumerate(text) if character == "("]
    mistakes: list[tuple[bool, Mistake]] = []
    for opening in openings:
        if '"' in text[:opening]:
            break
        try:
            return _Reader(text, opening).call()
        except Mistake as mistake:
            mistakes.append((_is_balanced(text[:opening]), mistake))
    if not mistakes:
        raise Mistake(openings[0] if openings else 0, "a call begins with the name of an export", _HINT)
    raise max(mistakes, key=lambda found: (found[0], found[1].at))[1]


def _is_balanced(name: str) -> bool:
    """Whether a name has a closing bracket for each one that it opens."""
    depth = 0
    for character in name:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def read_numbers(text: str) -> Written | None:
    """`NAME(A,B)=N` where all of these may be numbers, whatever they are; None where it is something else.

    Raises `Mistake` where one of them is missing.
    """
    match = _NUMBERS.fullmatch(text)
    if not match:
        return None
    parts = []
    start = match.start(2)
    for part in match[2].split(",") if match[2].strip() else ():
        bare = part.strip()
        at = start + len(part) - len(part.lstrip())
        if not bare:
            raise Mistake(at, "an argument must stand here", _HINT)
        parts.append(Part("number", at, at + len(bare), (bare,)))
        start += len(part) + 1
    returns = match[4] and match[4].strip()
    if returns == "":
        raise Mistake(match.end(3), "the number that must be returned stands behind =", _END_HINT)
    at = match.start(4) + len(match[4]) - len(match[4].lstrip()) if match[4] else 0
    return Written(match[1], tuple(parts), returns, match.end(2), at)


class _Reader(Reader):
    hint = _HINT

    def __init__(self, text: str, opening: int) -> None:
        super().__init__(text, opening + 1)
        self._opening = opening

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
        closing = self._at - 1
        returns, returns_at = None, 0
        if self._takes("?"):
            returns, returns_at = "?", self._at - 1
        elif self._takes("="):
            self._next()
            returns_at = self._at
            returns = self._bare("the number that must be returned stands behind =", _END_HINT)
        if self._next():
            raise self._wrong("nothing can stand here, behind the call", hint=_END_HINT)
        return Written(name, tuple(parts), returns, closing, returns_at)

    def _argument(self) -> Part:
        character, start = self._next(), self._at
        if character == '"':
            return Part("text", start, 0, (self._quoted(_NUL_HINT),))._replace(end=self._at)
        if self._takes("@"):
            start = self._at
            is_quoted = self._next() == '"'
            name = self._quoted("A file's name has none.", is_path=True) if is_quoted else self._file()
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
                texts = self._strings(_NUL_HINT if kind == "argv" else None)
                return Part(kind, start, self._at, texts)
            if self._text.startswith(f"{kind}(", self._at):
                raise self._wrong(f'texts stand between [ and ], as in {kind}["a", "b"]', start + len(kind))
        hint = _DOTS_HINT if self._text.startswith("...", start) else _HINT
        return Part("number", start, 0, (self._bare("an argument must stand here", hint),))._replace(end=self._at)

    def _bare(self, what: str, hint: str = _HINT) -> str:
        self._next()
        match = _BARE.match(self._text, self._at)
        if not match or not is_number(match[0]):
            raise self._wrong(what, hint=hint)
        self._at = match.end()
        return match[0]

    def _file(self) -> str:
        match = _FILE.match(self._text, self._at)
        if not match or not match[0].strip():
            raise self._wrong("the name of a file must stand here")
        self._at = match.end()
        return match[0].strip()

    def _strings(self, no_nul: str | None) -> tuple[str, ...]:
        found: list[str] = []
        if self._takes("]"):
            return ()
        while True:
            if self._next() != '"':
                raise self._wrong('a text between quotes must stand here, "..."')
            found.append(self._quoted(no_nul))
            if self._takes("]"):
                return tuple(found)
            self._needs(",", "a comma or ] must stand here")


def quoted_text(text: str) -> str:
    """A text as it is written between quotes."""
    escapes = {value: f"\\{name}" for name, value in Reader.escapes.items()}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'
