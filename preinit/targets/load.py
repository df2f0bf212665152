"""From a config file to its targets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from re import fullmatch
from typing import Any

from ..errors import ConfigError, printable, quoted
from .keys import DEFAULTS, NAME, TARGETS
from .kinds import Kind, Wrong, nearest
from .kinds import Path as KeyPath
from .lines import lines_of
from .order import check_files
from .target import Target, shown

OWN_FILE, SHARED_FILE = "preinit.toml", "pyproject.toml"

#: Bytes of a config file: more is a mistake.
_LARGEST = 4 << 20


@dataclass(frozen=True)
class Config:
    """A config file and its targets, by name, in the file's order."""

    path: Path
    targets: Mapping[str, Target]


def find(folder: Path) -> Path | None:
    """The config file of a folder, or of the nearest folder above that has one.

    That is preinit.toml, or a pyproject.toml with `[tool.preinit]`. Folders of other owners than the first one's are
    not looked at: what they hold is somebody else's. Raises `ConfigError` where both are there.
    """
    owner = folder.stat().st_uid
    for place in (folder, *folder.parents):
        if place.stat().st_uid != owner:
            return None
        own, shared = place / OWN_FILE, place / SHARED_FILE
        both = [path for path in (own, shared) if path.is_file() and (path == own or _mentions(path))]
        if len(both) > 1:
            raise ConfigError(
                f"targets are in {OWN_FILE} and in {SHARED_FILE}",
                where=shown(place),
                hint="Move all into one of them, or say which: --config FILE.",
            )
        if both:
            return both[0]
    return None


def _mentions(path: Path) -> bool:
    """Whether a pyproject.toml has targets. One that is no TOML is somebody else's problem, unless it might."""
    text = _text(path)
    if "preinit" not in text:
        return False
    return "preinit" in _mapping(_mapping(_parsed(path, text)).get("tool"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def load(path: Path) -> Config:
    """Reads a config file. Raises `ConfigError`: file, line and key of what is wrong."""
    path = path.parent.resolve() / path.name  # what is relative to its folder stays so where links lead there
    text = _text(path)
    data = _parsed(path, text)
    prefix: KeyPath = () if path.name != SHARED_FILE else ("tool", "preinit")
    lines: dict[KeyPath, int] = {}
    try:
        table: Any = data
        for key in prefix:
            table = _mapping(table).get(str(key))
        if table is None:
            raise Wrong(
                (), "there is no table [tool.preinit]", "Add [tool.preinit.targets.NAME], or name another file."
            )
        lines = {key[len(prefix) :]: line for key, line in lines_of(text, data).items() if key[: len(prefix)] == prefix}
        targets = _targets(path, table, lines)
        check_files(targets)
    except Wrong as problem:
        raise _error(path, problem, lines) from None
    return Config(path, targets)


def _targets(path: Path, table: Any, lines: Mapping[KeyPath, int]) -> dict[str, Target]:
    if not isinstance(table, dict):
        raise Wrong((), "[tool.preinit] is not a table")
    known = {"targets": None, "defaults": None}
    for key in table:
        if key not in known:
            raise Wrong((key,), f"there is no key {quoted(key)} here", nearest(key, known))
    defaults = DEFAULTS.read(table.get("defaults", {}), ("defaults",))
    given = table.get("targets")
    if not isinstance(given, dict) or not given:
        place: KeyPath = ("targets",) if "targets" in table else ()
        raise Wrong(place, "there are no targets", "Add a table [targets.NAME] with `input` and `output`.")
    targets = {}
    for name, settings in given.items():
        place = ("targets", name)
        if not fullmatch(NAME, name):
            raise Wrong(
                place, f"{quoted(name)} can't be the name of a target", "Use letters, digits, `-` and `_` in a name."
            )
        merged = _merged(TARGETS, defaults, TARGETS.read(settings, place))
        for key in ("input", "output"):
            if key not in merged:
                raise Wrong(place, f"the target {quoted(name)} has no `{key}`", f"Add {key} = FILE.")
        targets[name] = Target(name, path, lines.get(place), merged)
    return targets


def _merged(kind: Kind, below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; of anything else, `above` counts."""
    result = {**below, **above}
    for key in below.keys() & above.keys():
        merges = kind.keys[key].kind if key in kind.keys else None
        if merges and merges.merges and isinstance(below[key], dict) and isinstance(above[key], dict):
            result[key] = _merged(merges, below[key], above[key])
    return result


def _error(path: Path, problem: Wrong, lines: Mapping[KeyPath, int]) -> ConfigError:
    """With the line of the key, or of the nearest one around it."""
    line = next((lines[key] for end in range(len(problem.path), 0, -1) if (key := problem.path[:end]) in lines), None)
    where = shown(path)
    if line is not None:
        where += f", line {line}"
    if problem.path:
        where += f", key `{printable('.'.join(map(str, problem.path)))}`"
    return ConfigError(problem.what, where=where, hint=problem.hint)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as problem:
        raise ConfigError(
            f"the config file {shown(path)!r} can't be read: {problem.strerror}",
            hint="Name a file that exists and that you may read.",
        ) from problem
    if len(data) > _LARGEST:
        raise ConfigError("a config file of more than 4 MiB is no config file", where=shown(path))
    try:
        return data.decode("utf-8-sig")  # some editors begin a file with that mark
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ConfigError(
            "a config file has to be UTF-8", where=f"{shown(path)}, line {line}", hint="Save it as UTF-8."
        ) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("tables or lists are nested too deeply", where=shown(path)) from None
    except ValueError as problem:  # numbers of thousands of digits, too
        said, _, place = str(problem).partition(" (at ")
        raise ConfigError(
            f"this is not TOML: {said}",
            where=shown(path) + (f", {place.removesuffix(')')}" if place else ""),
            hint="Correct the text there; https://toml.io says how it is written.",
        ) from None
