"""Which room may know which: the arrows of the house, see docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import preinit
from preinit.passes.instrument import Instrumented
from preinit.passes.rewrite import Plan
from preinit.passes.snapshot import Snapshot
from tests.support import everything
from tests.support.places import PACKAGE, ROOT, TESTS

#: The rooms, from the ground up: a room imports rooms of lower floors only.
FLOORS = (
    ("bytecode", "enums", "records", "tuples", "version"),
    ("errors",),
    ("binary",),
    ("files",),
    ("result",),
    ("options", "symbols"),
    ("engine",),
    ("host",),
    ("passes",),
    ("node",),
    ("verification", "inspection", "bench", "serve"),
    ("report",),
    ("batch", "targets"),
    ("cli",),
)
#: Inside of `passes`, from the first pass on: each imports only those before it.
PASSES = (
    ("snapshot", "observer"),
    ("parse",),
    ("plan",),
    ("instrument",),
    ("run",),
    ("capture",),
    ("late",),
    ("rewrite",),
    ("validate",),
    ("audit",),
    ("findings",),
    ("component",),
    ("pipeline",),
    ("builder",),
)
LEVELS = {room: level for level, floor in enumerate(FLOORS) for room in floor}
PASS_LEVELS = {name: level for level, names in enumerate(PASSES) for name in names}

#: Files of the landing; whatever else there is, is in a room.
LANDING = {"__init__.py", "__main__.py", "bytecode.py", "enums.py", "records.py", "tuples.py", "version.py"}
#: The face and the door: they name others, nobody imports them.
DOORS = {"__init__.py", "__main__.py"}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def parts_of(path: Path) -> tuple[str, ...]:
    """A file's place as a dotted name is one, without `preinit`; a package's is that of its folder."""
    parts = (*path.parts[:-1], path.stem)
    return parts[:-1] if path.stem == "__init__" else parts


KNOWN = {parts_of(path): path for path in MODULES}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a file, those inside of others, too; not what they are made of, which is far more."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        parts = getattr(tree, name, ())
        for node in parts if isinstance(parts, list) else ():
            yield node
            yield from statements(node)


def imported(path: Path) -> set[Path]:
    """The files of preinit that a file imports, wherever in it, for type checkers too."""
    package = path.parts[:-1]
    found: set[Path] = set()
    for node in statements(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            named = tuple(node.module.split(".")) if node.module else ()
            if not node.level and named[:1] != ("preinit",):
                continue
            module = (*base, *named[0 if node.level else 1 :])
            names = [(*module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split("."))[1:] for alias in node.names if alias.name.startswith("preinit.")]
        else:
            continue
        for name in names:
            target = KNOWN.get(name) or KNOWN.get(name[:-1])
            if target is not None and target != path:
                found.add(target)
    return found


@cache
def imports() -> dict[Path, set[Path]]:
    """What each file imports. To read them all takes as long as some hundred tests, so only who asks does."""
    return {path: imported(path) for path in MODULES}


def room_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def test_a_room_imports_only_what_lies_below_it() -> None:
    inside = [path for path in MODULES if str(path) not in DOORS]
    assert not {room_of(path) for path in inside} - LEVELS.keys(), "some rooms have no place in the house"
    upwards = [
        f"{path} imports {other}"
        for path in inside
        for other in imports()[path]
        if room_of(other) != room_of(path) and LEVELS[room_of(other)] >= LEVELS[room_of(path)]
    ]
    assert not upwards


def pass_of(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


def test_a_pass_imports_only_what_comes_before_it() -> None:
    inside = [path for path in MODULES if room_of(path) == "passes" and len(path.parts) > 1]
    assert not [path for path in inside if pass_of(path) == "__init__" and imports()[path]]
    passes = [path for path in inside if pass_of(path) != "__init__"]
    assert not {pass_of(path) for path in passes} - PASS_LEVELS.keys(), "some files are in no pass"
    backwards = [
        f"{path} imports {other}"
        for path in passes
        for other in imports()[path]
        if room_of(other) == "passes" and pass_of(other) != pass_of(path)
        if PASS_LEVELS[pass_of(other)] >= PASS_LEVELS[pass_of(path)]
    ]
    assert not backwards


def cycles() -> Iterator[tuple[Path, ...]]:
    """Each file on a path of imports that leads back to it."""
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
        if path in trail:
            yield trail[trail.index(path) :]
            return
        if path not in done:
            for other in sorted(imports()[path]):
                yield from visit(other, (*trail, path))
            done.add(path)

    for path in MODULES:
        yield from visit(path, ())


#: Kinds of state: rows of the matrix, whose columns are the rooms that deal with each of them.
KINDS = {"memories", "globals", "tables", "segments", "frames"}
MATRIX = ("passes/instrument", "passes/capture", "passes/rewrite", "verification")


@pytest.mark.parametrize("room", MATRIX)
def test_each_kind_of_state_has_a_file_of_the_same_name_in_each_room_of_the_matrix(room: str) -> None:
    assert {path.stem for path in (PACKAGE / room).glob("*.py")} >= KINDS


def test_a_snapshot_has_a_part_for_each_kind_of_state() -> None:
    assert set(Snapshot._fields) == KINDS
    assert set(Plan._fields) >= KINDS
    assert set(Instrumented._fields) >= KINDS


def test_no_files_import_each_other() -> None:
    assert not list(cycles())


def test_binary_knows_nothing_but_errors() -> None:
    rooms = {room_of(other) for path in MODULES if room_of(path) == "binary" for other in imports()[path]}
    assert rooms <= {"binary", "enums", "errors", "records", "tuples"}


def test_only_one_folder_touches_the_raw_engine() -> None:
    texts = {path: (PACKAGE / path).read_text(encoding="utf-8") for path in MODULES}
    assert {path.parent for path, text in texts.items() if re.search(r"\bcapi\b", text)} == {Path("engine/ffi")}
    # Importing it takes a tenth of a second. Only what measures components in the engine's own runtime needs it.
    imported = [path for path, text in texts.items() if re.search(r"^\s*(import|from) wasmtime\b", text, re.MULTILINE)]
    assert imported == [Path("engine/ffi/components.py")]


def test_files_are_no_longer_than_a_subject_needs() -> None:
    """Those that people write, in whatever language: the schemas are generated."""
    written = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".mjs")]
    assert {path.suffix for path in written} == {".py", ".mjs"}
    counts = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in written}
    assert not {path: count for path, count in counts.items() if count > 400}


def test_nothing_lies_loose_on_the_landing() -> None:
    assert {str(path) for path in MODULES if len(path.parts) == 1} == LANDING


# -- the face ----------------------------------------------------------------------------------------------------------


def test_no_room_takes_the_name_of_what_the_library_offers() -> None:
    """Importing a subpackage binds its name in the package: it would stand in the place of a function of that name."""
    rooms = {name.split(".")[1] for name in everything.modules()}
    assert rooms.isdisjoint(preinit.__all__)
    for name in preinit.__all__:
        assert not isinstance(getattr(preinit, name), ModuleType), name
    assert all(map(callable, (preinit.build, preinit.verify, preinit.inspect, preinit.Builder)))


# -- tests -------------------------------------------------------------------------------------------------------------

#: What tests are about that are no room's own; each of these folders says so in its `__init__.py`.
SPANNING = {"documents", "hostile", "real", "scripts"}
#: What tests share. It is no test.
SHARED = "support"

TEST_FILES = sorted(path.relative_to(TESTS) for path in TESTS.rglob("*.py"))
TEST_FOLDERS = sorted({path.parent for path in TEST_FILES} - {Path()})
ROOMS = sorted(
    path.parent
    for path in MODULES
    if path.name == "__init__.py" and (len(path.parts) == 2 or (len(path.parts) == 3 and path.parts[0] == "passes"))
)


def test_a_room_has_its_tests_in_the_folder_of_the_same_name() -> None:
    assert not [room for room in ROOMS if not any((TESTS / room).rglob("test_*.py"))]


def test_a_folder_of_tests_is_a_room_or_says_what_it_is_for() -> None:
    rooms = [folder for folder in TEST_FOLDERS if folder.parts[0] not in SPANNING | {SHARED}]
    assert not [folder for folder in rooms if not (PACKAGE / folder / "__init__.py").exists()], (
        "there are no such rooms"
    )
    trees = {folder: ast.parse((TESTS / folder / "__init__.py").read_text(encoding="utf-8")) for folder in TEST_FOLDERS}
    assert not [folder for folder, tree in trees.items() if not ast.get_docstring(tree)]


def test_tests_of_real_modules_are_in_a_folder_of_their_own() -> None:
    """What takes long and needs downloads is easy to leave out. A page of docs/ may need one, too."""
    marked = {
        path
        for path in TEST_FILES
        if path.parts[0] != "documents" and "pytest.mark." + "real" in (TESTS / path).read_text(encoding="utf-8")
    }
    assert marked == {path for path in TEST_FILES if path.parts[0] == "real" and path.name.startswith("test_")}


def test_tests_are_in_folders_and_what_they_share_is_no_test() -> None:
    loose = {path.name for path in TEST_FILES if len(path.parts) == 1}
    assert loose == {
        "__init__.py",
        "conftest.py",
        "test_architecture.py",
        "test_enums.py",
        "test_records.py",
        "test_tuples.py",
    }
    assert not [str(path) for path in TEST_FILES if path.parts[0] == SHARED and path.name.startswith("test_")]


def test_tests_import_what_they_share_and_no_other_test() -> None:
    """Who changes a test changes no other one; and a test can be moved."""
    assert not [problem for path in TEST_FILES for problem in unshared(path)]


def unshared(path: Path) -> Iterator[str]:
    """What a file of tests imports that it should not."""
    for node in statements(ast.parse((TESTS / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield f"{path}, line {node.lineno}: tests name what they import from the top"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top.startswith("test_") or (top == "tests" and rest.split(".")[0] != SHARED):
                yield f"{path}, line {node.lineno} imports {name}"


# -- the checkout ------------------------------------------------------------------------------------------------------


def test_the_top_level_holds_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    assert top <= {
        "preinit", "tests", "fixtures", "scripts", "docs", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md",
        "CONTRIBUTING.md",
    }  # fmt: skip
