"""Which room may know which: the arrows of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "preinit"

#: Room -> its level. A room may import rooms of lower levels only: siblings don't import each other.
LEVELS = {
    "errors": 0,
    "version": 1, "stopwatch": 1, "checks": 1, "excess": 1, "unfit": 1, "mismatch": 1, "binary": 1,
    "calls": 1, "files": 1,
    "snapshot": 2, "result": 2, "options": 2, "numbers": 2, "symbols": 2, "dwarf": 2,
    "engine": 3, "tools": 3, "cache": 3, "policies": 3, "recorded": 3, "parameters": 3,
    "instrument": 4, "capture": 4, "rewrite": 4, "host": 4, "initializers": 4, "profiles": 4, "source": 4,
    "calling": 4, "ways": 4,
    "advice": 5, "validity": 5, "supported": 5, "runner": 5, "stack": 5, "leaks": 5,
    "facts": 6, "audit": 6, "budgets": 6,
    "pipeline": 7,
    "builder": 8, "verification": 8, "inspection": 8, "bench": 8, "serve": 8,
    "report": 9, "config": 9, "batch": 9,
    "cli": 10,
}  # fmt: skip
#: The face and the door: they name others, nobody imports them.
DOORS = {"__init__", "__main__"}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms of preinit that a module imports, wherever in it."""
    package = ["preinit", *path.parts[:-1]]
    rooms = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*full, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for parts in names:
            if parts[0] == "preinit" and len(parts) > 1 and parts[1] in LEVELS:
                rooms.add(parts[1])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    room = room_of(path)
    if room in DOORS:
        return
    assert room in LEVELS, f"{room} has no place in the house"
    for other in imported_rooms(path) - {room}:
        assert LEVELS[other] < LEVELS[room], f"{path} imports {other}"


def test_binary_knows_nothing_but_errors() -> None:
    rooms = set().union(*(imported_rooms(path) for path in MODULES if room_of(path) == "binary"))
    assert rooms <= {"binary", "errors"}


def test_only_one_folder_touches_the_raw_engine() -> None:
    users = [path for path in MODULES if "_ffi" in (PACKAGE / path).read_text(encoding="utf-8")]
    assert {path.parent for path in users} == {Path("engine/ffi")}


def test_files_are_short() -> None:
    long = {str(p): n for p in MODULES if (n := len((PACKAGE / p).read_text(encoding="utf-8").splitlines())) > 320}
    assert not long


def test_the_top_level_holds_nothing_else() -> None:
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    assert top <= {
        "preinit", "tests", "fixtures", "scripts", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md",
        "CONTRIBUTING.md",
    }  # fmt: skip
