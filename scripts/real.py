"""The real modules of fixtures/real.toml: what they are called, where they lie, how they are initialized."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
FOLDER = FIXTURES / "real"
#: Folders with the names and the lock of npm packages that are installed together, with all that they depend on.
TREES = FIXTURES / "npm"


class RealModule(NamedTuple):
    """`path` of the module, and the options that its initializer needs; `dirs` as (host folder, guest path)."""

    name: str
    path: str
    init_funcs: tuple[str, ...]
    dirs: tuple[tuple[str, str], ...]


def trees() -> list[str]:
    """What is installed with npm: names of folders of `TREES`, and then of `FOLDER`."""
    return sorted(path.name for path in TREES.iterdir())


def is_installed(tree: str) -> bool:
    """Whether it is there, as its lock says."""
    lock, copy = TREES / tree / "package-lock.json", FOLDER / tree / INSTALLED
    return copy.exists() and copy.read_bytes() == lock.read_bytes()


#: In an installed tree: a copy of its lock, which is written last.
INSTALLED = "installed.json"


def manifest() -> dict[str, dict]:
    return tomllib.loads((FIXTURES / "real.toml").read_text(encoding="utf-8"))


def real_modules() -> Iterator[RealModule]:
    """Those that have been fetched and that these options build: not those with a `test` of their own."""
    for name, entry in manifest().items():
        if "test" in entry:
            continue
        folder = FOLDER / name
        if (folder / entry["module"]).exists():
            dirs = tuple((str(folder / host), guest) for host, guest in entry.get("dirs", []))
            yield RealModule(name, str(folder / entry["module"]), tuple(entry["init_funcs"]), dirs)
