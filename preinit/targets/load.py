"""From a config file to its targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from re import fullmatch
from typing import Any

from ..errors import ConfigError, quoted
from ..files.regular import instead
from ..files.toml import Document, parse, read_document, read_text, shown
from ..options.kinds import Path as KeyPath
from ..options.kinds import Wrong
from ..options.tables import merged, nearest, table_of
from .keys import COMMON, NAME, TARGET
from .order import check_files
from .target import Target

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
    not looked at: what they hold is somebody else's. Raises `ConfigError` where both are there, or
    something that is no file.
    """
    owner = folder.stat().st_uid
    for place in (folder, *folder.parents):
        if place.stat().st_uid != owner:
            return None
        own, shared = place / OWN_FILE, place / SHARED_FILE
        other = instead(own)
        if other:
            raise ConfigError(
                f"{OWN_FILE} is {other}, not a file",
                where=shown(own),
                hint="Move it away, or name another file: `--config FILE`.",
            )
        both = [path for path in (own, shared) if path.is_file() and (path == own or _mentions(path))]
        if len(both) > 1:
            raise ConfigError(
                f"targets are in {OWN_FILE} and in {SHARED_FILE}",
                where=shown(place),
                hint="Move all into one of them, or say which: `--config FILE`.",
            )
        if both:
            return both[0]
    return None


def _mentions(path: Path) -> bool:
    """Whether a pyproject.toml has targets. One that is no TOML is somebody else's problem, unless it might."""
    text = read_text(path, _LARGEST)
    if "preinit" not in text:
        return False
    return "preinit" in _mapping(parse(path, text).get("tool"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def load(path: Path) -> Config:
    """Reads a config file. Raises `ConfigError`: file, line and key of what is wrong."""
    path = path.parent.resolve() / path.name  # what is relative to its folder stays so where links lead there
    document = read_document(path, _LARGEST)
    if path.name == SHARED_FILE:
        table = _mapping(document.table.get("tool")).get("preinit")
        document = document._replace(table=table, prefix=("tool", "preinit"))
    try:
        targets = _targets(document)
        check_files(targets)
    except Wrong as problem:
        raise problem.told(document.error(problem.what, problem.path, problem.hint)) from None
    return Config(path, targets)


def _targets(document: Document) -> dict[str, Target]:
    table = document.table
    if table is None:
        raise Wrong((), "there is no table [tool.preinit]", "Add [tool.preinit.targets.NAME], or name another file.")
    if not isinstance(table, dict):
        raise Wrong((), "[tool.preinit] is not a table")
    known = ("targets", "defaults")
    for key in table:
        if key not in known:
            raise Wrong((key,), f"there is no key {quoted(key)} here", nearest(key, known))
    defaults = table_of(COMMON).read(table.get("defaults", {}), ("defaults",))
    given = table.get("targets")
    if not isinstance(given, dict) or not given:
        place: KeyPath = ("targets",) if "targets" in table else ()
        raise Wrong(place, "there are no targets", "Add a table [targets.NAME] with `input` and `output`.")
    lines = document.lines()
    targets = {}
    for name, settings in given.items():
        place = ("targets", name)
        if not fullmatch(NAME, name):
            raise Wrong(
                place, f"{quoted(name)} can't be the name of a target", "Use letters, digits, `-` and `_` in a name."
            )
        both = merged(TARGET, defaults, table_of(TARGET).read(settings, place))
        for key in ("input", "output"):
            if key not in both:
                raise Wrong(place, f"the target {quoted(name)} has no `{key}`", f"Add {key} = FILE.")
        targets[name] = Target(name, document.path, lines.get(place), both)
    return targets
