"""In which line of a TOML file each key stands, which `tomllib` does not tell.

https://toml.io/en/v1.0.0 . The text is known to be valid. Where the keys that are found here are not those that
`tomllib` found, no line is told at all: none is better than a wrong one.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

#: Keys and places in lists that lead to a value.
Path = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_BLANK = re.compile(r"(?:[ \t\n,]|#[^\n]*)*")
_STRINGS = [
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
]
_PLAIN = re.compile(r"[^,\]}#\n]+")


class _Unclear(Exception):
    """The text is not what this scanner takes it for."""


def lines_of(text: str, data: dict[str, Any]) -> dict[Path, int]:
    """The line, from 1 on, of each key and list item by its path. `data`: what `tomllib` makes of `text`."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    try:
        scanner.document()
    except (_Unclear, RecursionError):
        return {}
    return scanner.lines if set(scanner.lines) == set(_paths(data, ())) else {}


def _paths(value: Any, path: Path) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._arrays: dict[Path, int] = {}
        self._own: set[Path] = set()
        self.lines: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while True:
            self._take(_BLANK)
            if self._at == len(self._text):
                return
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        self._take(_BLANK)
        start = self._at
        keys = self._keys()
        self._take(_BLANK)
        if not self._text.startswith("]" * brackets, self._at):
            raise _Unclear
        self._at += brackets
        path: Path = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            last = number == len(keys)
            self._record(path, start, last)
            if last and brackets == 2:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._record(path, start, last)
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        keys = self._keys()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            self._record(path, start, number == len(keys))
        self._take(_BLANK)
        if not self._text.startswith("=", self._at):
            raise _Unclear
        self._at += 1
        self._value(path)

    def _value(self, path: Path) -> None:
        self._take(_BLANK)
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._at += 1
            number = 0
            while not self._closes("]"):
                self._record((*path, number), self._at, True)
                self._value((*path, number))
                number += 1
        elif opening == "{":
            self._at += 1
            while not self._closes("}"):
                self._pair(path)
        else:
            for kind in _STRINGS if opening in ('"', "'") else [_PLAIN]:
                if match := kind.match(self._text, self._at):
                    self._at = match.end()
                    return
            raise _Unclear

    def _closes(self, bracket: str) -> bool:
        self._take(_BLANK)
        if self._at == len(self._text):
            raise _Unclear
        found = self._text[self._at] == bracket
        self._at += found
        return found

    def _keys(self) -> list[str]:
        """The parts of a dotted key; `tomllib` knows what escapes in it mean."""
        keys: list[str] = []
        value: Any = tomllib.loads(f"{self._take(_KEY)} = 0")
        while isinstance(value, dict):
            ((key, value),) = value.items()
            keys.append(key)
        return keys

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Unclear
        self._at = match.end()
        return match[0]

    def _record(self, path: Path, at: int, itself: bool) -> None:
        """`itself`: the place is the key's own; else one that only leads through it, which counts if no other does."""
        line = bisect_left(self._newlines, at) + 1
        if itself and path not in self._own:
            self._own.add(path)
            self.lines[path] = line
        else:
            self.lines.setdefault(path, line)
