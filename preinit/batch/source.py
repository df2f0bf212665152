"""Where jobs come from: TOML, JSON lines, or a folder with a file for each job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ConfigError, printable, quoted
from ..files.toml import Document, parse, read_text, shown
from ..options.kinds import Path as KeyPath
from ..options.kinds import Wrong
from ..tuples import NamedTuple

#: Bytes of a job file.
_LARGEST = 256 << 20


class Listed(NamedTuple):
    """What a job file holds: its head, and a table for each job.

    `place`: where messages say a job is, by its number; None for the head. With a key, the one in there.
    """

    head: Mapping[str, Any]
    jobs: list[Any]
    place: Callable[[int | None, KeyPath], str]

    def error(self, number: int | None, problem: Wrong) -> ConfigError:
        return ConfigError(problem.what, where=self.place(number, problem.path), hint=problem.hint)

    def wrong(self, number: int | None, what: str, hint: str | None = None) -> ConfigError:
        return ConfigError(what, where=self.place(number, ()), hint=hint)


def read_listed(path: Path) -> Listed:
    """A job file: JSON lines if its name ends with .jsonl, else TOML. Raises `ConfigError`."""
    text = read_text(path, _LARGEST)
    return _json_lines(path, text) if path.suffix in (".jsonl", ".ndjson") else _toml(path, text)


def _toml(path: Path, text: str) -> Listed:
    try:
        head = parse(path, text)
    except ConfigError as problem:
        problem.hint = "A file of JSON lines has a name that ends with .jsonl."
        raise
    document = Document(path, text, head)
    lines = cache(document.lines)  # only where something is wrong

    def place(number: int | None, key: KeyPath) -> str:
        full = key if number is None else ("job", number, *key)
        line = next((lines()[full[:end]] for end in range(len(full), 0, -1) if full[:end] in lines()), None)
        parts = [
            shown(path),
            *([f"line {line}"] if line else []),
            *([f"job {number + 1}"] if number is not None else []),
        ]
        return ", ".join([*parts, *_key(key)])

    jobs = head.get("job", [])
    if not isinstance(jobs, list):
        raise ConfigError(
            "`job` must be a list of tables", where=place(None, ("job",)), hint="Write [[job]] before each."
        )
    return Listed({key: value for key, value in head.items() if key != "job"}, jobs, place)


def _key(key: KeyPath) -> list[str]:
    return [f"key `{printable('.'.join(map(str, key)))}`"] if key else []


def _json_lines(path: Path, text: str) -> Listed:
    """Each line is a job; the first one is the head, if it has no output."""
    found: list[Any] = []
    numbers: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as problem:
                said = printable(str(problem))
                raise ConfigError(f"the line is not JSON: {said}", where=f"{shown(path)}, line {number}") from problem
            numbers.append(number)
    has_head = bool(found) and isinstance(found[0], dict) and "output" not in found[0]

    def place(number: int | None, key: KeyPath) -> str:
        if number is None:
            return ", ".join([shown(path), *([f"line {numbers[0]}"] if has_head else []), *_key(key)])
        return ", ".join([shown(path), f"line {numbers[number + has_head]}", *_key(key)])

    return Listed(found[0] if has_head else {}, found[int(has_head) :], place)


def list_folder(folder: Path, pattern: str) -> tuple[list[str], Listed]:
    """The names of the files of a folder that the pattern fits, in order, and an empty job for each.

    Raises `ConfigError`.
    """
    where = shown(folder)
    try:
        names = sorted(path.name for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    except (OSError, ValueError, NotImplementedError) as problem:
        raise ConfigError(f"{quoted(pattern)} is not a pattern for files: {problem}", where=where) from problem
    if any("/" in name for name in names):
        raise ConfigError(f"{quoted(pattern)} names files of other folders", where=where)

    def place(number: int | None, key: KeyPath) -> str:
        return ", ".join([where if number is None else shown(folder / names[number]), *_key(key)])

    return names, Listed({}, [{} for _ in names], place)
