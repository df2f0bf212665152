"""What the pages show works: each block of README.md and docs/ is run, from the text itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.real import FOLDER, is_installed, manifest, trees
from tests.support.pages import PAGES, Block, Workshop, blocks, matches, programs
from tests.support.places import ROOT

#: What can't run here, by page and first line, and why.
NOT_RUN = {
    ("README.md", "pip install ."): "it would install into whatever Python is there; .venv has the package already",
    ("README.md", "scripts/test"): "it runs this test",
    ("docs/recipes/rust.md", "cargo build --release --target wasm32-wasip1"): "it needs Rust's target wasm32-wasip1",
}

#: The language of what the block before printed, and a word behind it: figures that were measured.
OUTPUT, VARIES = "text", "varies"

REAL = re.compile(r"fixtures/real/(\w+)/")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def real_modules(page: Path) -> set[str]:
    """The real modules that a page's blocks use."""
    return {name for block in blocks(page) for name in REAL.findall(block.text)}


def is_fetched(name: str) -> bool:
    return all((FOLDER / name / file).exists() for file in manifest()[name]["files"])


def parameters() -> Iterator[object]:
    for page in PAGES:
        if any(True for _ in blocks(page)):
            yield pytest.param(page, id=name_of(page), marks=[pytest.mark.real] if real_modules(page) else [])


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("page", [*parameters()])
def test_every_block_of_a_page_does_what_it_shows(page: Path, tmp_path: Path, cache: Path) -> None:
    for name in sorted(real_modules(page)):
        if not (is_installed(name) if name in trees() else is_fetched(name)):
            pytest.skip(f"scripts/fetch_real {name} fetches a module that this page uses")
    present = [block for block in blocks(page) if (block.page, block.first) not in NOT_RUN]
    if any("scripts/" in block.text for block in present) and not (ROOT / ".venv").exists():
        pytest.skip("scripts/test sets up what scripts/preinit uses")
    missing = {program for block in present for program in programs(block) if not shutil.which(program)}
    if missing:
        pytest.skip(f"this page needs {', '.join(sorted(missing))}")
    workshop = Workshop(tmp_path, cache)
    said: str | None = None
    try:
        for block in present:
            if block.language == OUTPUT:
                assert said is not None, f"{block} shows the output of nothing"
                if not matches(block.text, said, block.info == VARIES):
                    pytest.fail(f"{block} shows other output than there is:\n{said}", pytrace=False)
                said = None
            else:
                said = workshop.run(block)
    finally:
        workshop.close()


def test_what_is_not_run_is_still_there() -> None:
    present = {(block.page, block.first) for page in PAGES for block in blocks(page)}
    assert set(NOT_RUN) <= present


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a  12.5 ms\n", "a 3,000 us\n", None),
        ("a  12.5 ms 1\n", "b  12.5 ms 1\n", False),
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one ... three\n", "one two three\n", True),
        ("one ...\n", "two\n", False),
        ("...\nthree\n...\n", "one\ntwo\nthree\n", True),
        ("...\n", "", True),
        ("0.21 s (winch)\n", "1,012.5 s (winch)\n", True),
        ("1.5 ms, then 3 us\n", "20 ms, then 0.25 us\n", True),
        ("3 segments\n", "4 segments\n", None),
        ("a.b\n", "axb\n", False),
    ],
)
def test_output_is_compared_but_for_what_varies(shown: str, said: str, same: bool | None) -> None:
    """`None`: only where it is said that figures vary."""
    assert matches(shown, said) == bool(same)
    assert matches(shown, said, varies=True) == (same is not False)


def test_a_block_that_shows_something_else_is_noticed(tmp_path: Path, cache: Path) -> None:
    workshop = Workshop(tmp_path, cache)
    with pytest.raises(AssertionError, match="ended with 1"):
        workshop.run(Block("page", 1, "sh", "", "false\n"))
    with pytest.raises(AssertionError, match="said"):
        workshop.run(Block("page", 1, "console", "", "$ echo one\ntwo\n"))
    with pytest.raises(AssertionError, match="no fixture has this text"):
        workshop.run(Block("page", 1, "c", "", "int nowhere;\n"))
