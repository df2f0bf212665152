"""Reading files that users write: TOML, with the line of each key for messages."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, in_words, printable, quoted, way_out
from ..tuples import NamedTuple
from .regular import instead
from .toml_lines import Path as KeyPath
from .toml_lines import lines_of


class Document(NamedTuple):
    """What a file holds, or a table in it, at the path `prefix`."""

    path: Path
    text: str
    table: Any
    prefix: KeyPath = ()

    def lines(self) -> Mapping[KeyPath, int]:
        """The line of each key and list item, by its path from `prefix` on; nothing where that is not known."""
        found = lines_of(self.text, parse(self.path, self.text))
        start = len(self.prefix)
        return {key[start:]: line for key, line in found.items() if key[:start] == self.prefix}

    def error(self, what: str, key: KeyPath = (), hint: str | None = None) -> ConfigError:
        """With the line of the key, or of the nearest one around it."""
        lines = self.lines()
        line = next((lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in lines), None)
        return config_error(self.path, what, line, key, hint)


def config_error(path: Path, what: str, line: int | None, key: KeyPath, hint: str | None) -> ConfigError:
    """What is wrong with a file that says what to build, and where."""
    where = shown(path)
    if line is not None:
        where += f", line {line}"
    if key:
        where += f", key `{printable('.'.join(map(str, key)))}`"
    return ConfigError(what, where=where, hint=hint)


def read_document(path: Path, largest: int) -> Document:
    """Reads a file of TOML with at most so many bytes. Raises `ConfigError`."""
    text = read_text(path, largest)
    return Document(path, text, parse(path, text))


def read_text(path: Path, largest: int) -> str:
    """The text of a file. Raises `ConfigError`."""
    other = instead(path)
    if other:
        raise ConfigError(
            f"{quoted(shown(path))} is {other}, not a file", hint="Name a file that exists and that you may read."
        )
    try:
        with path.open("rb") as stream:
            data = stream.read(largest + 1)
    except (OSError, ValueError) as problem:
        reason = in_words(problem)
        raise ConfigError(
            f"the file {quoted(shown(path))} can't be read: {reason}",
            hint=way_out(problem, "Name a file that exists and that you may read."),
        ) from problem
    if len(data) > largest:
        raise ConfigError(
            f"the file has more than {largest:,} bytes, the most that is read",
            where=shown(path),
            hint="Divide it into several files: `--config FILE`.",
        )
    try:
        return data.decode("utf-8-sig")  # some editors begin a file with that mark
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ConfigError(
            "the file has to be UTF-8", where=f"{shown(path)}, line {line}", hint="Save it as UTF-8."
        ) from None


def parse(path: Path, text: str) -> dict[str, Any]:
    """The table of a text in TOML. Raises `ConfigError`."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("tables or lists are nested too deeply", where=shown(path)) from None
    except ValueError as problem:  # numbers of thousands of digits, too
        said, _, place = str(problem).partition(" (at ")
        raise ConfigError(
            f"this is not TOML: {printable(said)}",
            where=shown(path) + (f", {place.removesuffix(')')}" if place else ""),
            hint="Correct the text there; https://toml.io says how it is written.",
        ) from None


def shown(path: Path) -> str:
    """A path as messages have it: relative to the current folder if it lies below that."""
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)
